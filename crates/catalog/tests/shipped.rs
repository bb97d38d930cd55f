//! What is shipped loads clean, and is what its comments say.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use auction::{PingMode, Price};
use catalog::{Config, Overrides, Owner, Snapshot, load, load_catalog};
use domain::{CampaignName, FieldValue, Micros, PublisherName};
use intake::{Body, parse_post};

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../deploy")
        .join(file)
}

fn shipped(file: &str, overrides: &Overrides) -> (Config, Snapshot) {
    let loaded = load(&deploy(file), overrides).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        lines.join("\n")
    });
    loaded.unwrap()
}

#[test]
fn both_configurations_load_clean_and_mean_the_same() {
    let (minimal, catalog) = shipped("config/embedded.minimal.toml", &Overrides::default());
    let (full, same) = shipped("config/embedded.full.toml", &Overrides::default());
    assert_eq!(catalog.generation, same.generation);
    assert_eq!(catalog.generation.len(), 32);
    assert_eq!(minimal.listen, full.listen);
    assert_eq!(minimal.engine, full.engine);
    assert_eq!(minimal.log, full.log);
    assert_eq!(minimal.limits, full.limits);
    assert_eq!(minimal.listen.public.to_string(), "127.0.0.1:8080");
    assert_eq!(full.admin_keys.len(), 1);
    assert!(matches!(
        same.authenticate("demo-admin-key-for-trying-out"),
        Some(Owner::Admin)
    ));
}

#[test]
fn a_node_of_a_cluster_is_told_of_the_others() {
    let key = "0f".repeat(32);
    let keys: Vec<(String, String)> = ["sealing", "hashing", "quotes", "tracking"]
        .map(|name| (format!("secrets.{name}"), key.clone()))
        .into();
    let text = std::fs::read_to_string(deploy("config/cluster.full.toml")).unwrap();
    // Its secrets are in a file that is not shipped.
    let folder = tempfile::tempdir_in(deploy("config")).unwrap();
    let text = text
        .replace("file = \"secrets.toml\"", "")
        .replace("\"../", "\"../../");
    let file = folder.path().join("cluster.toml");
    std::fs::write(&file, text).unwrap();
    let overrides = Overrides {
        flags: keys.into_iter().collect(),
        ..Overrides::default()
    };
    let (config, _) = load(&file, &overrides).unwrap();
    let cluster = config.cluster.unwrap();
    assert_eq!(cluster.kafka.brokers.split(',').count(), 3);
    assert_eq!((cluster.kafka.partitions, cluster.kafka.replicas), (12, 3));
    assert_eq!(cluster.kafka.session, std::time::Duration::from_secs(10));
    assert!(cluster.kafka.tls.is_none() && cluster.kafka.user.is_none());
    assert_eq!(cluster.redis.url.0.as_str(), "redis://redis.internal:6379");
    assert_eq!(cluster.redis.prefix, "gavel");
    assert_eq!(cluster.redis.authorities, None);
}

#[test]
fn every_contract_of_the_first_campaign_takes_every_lead() {
    let (_, snapshot) = shipped("config/embedded.minimal.toml", &Overrides::default());
    let campaign = snapshot.campaigns.get("auto-us").unwrap();
    assert_eq!(campaign.book.terms().len(), 10);
    assert_eq!(campaign.deliveries.len(), 10);
    let lead = intake_lead(&snapshot, "auto-us");
    for (slot, terms) in campaign.book.iter() {
        assert!(
            terms.on && !terms.testing && terms.caps.is_empty(),
            "{}",
            terms.contract
        );
        assert_eq!(terms.filter.eval(&Whole(&lead)), filter::Verdict::Pass);
        let delivery = campaign.delivery(slot).unwrap();
        assert_eq!(delivery.ping_url.is_some(), terms.ping == PingMode::Bid);
    }
    let fixed = campaign
        .book
        .terms()
        .iter()
        .filter(|terms| matches!(terms.price, Price::Fixed(_)));
    assert_eq!(fixed.count(), 2);
}

#[test]
fn the_second_campaign_has_filters_and_caps() {
    let (_, snapshot) = shipped("config/embedded.minimal.toml", &Overrides::default());
    let campaign = snapshot.campaigns.get("auto-us-targeted").unwrap();
    let live: Vec<_> = campaign
        .book
        .terms()
        .iter()
        .filter(|terms| !terms.testing)
        .collect();
    assert_eq!((live.len(), campaign.book.terms().len()), (10, 11));
    assert!(live.iter().all(|terms| !terms.caps.is_empty()));
    let lead = intake_lead(&snapshot, "auto-us-targeted");
    let verdicts: Vec<_> = live
        .iter()
        .map(|terms| terms.filter.eval(&Whole(&lead)))
        .collect();
    assert!(verdicts.contains(&filter::Verdict::Pass));
    assert!(
        verdicts
            .iter()
            .any(|verdict| matches!(verdict, filter::Verdict::Fail(_)))
    );
}

#[test]
fn keys_rules_goals_and_links() {
    let (_, snapshot) = shipped("config/embedded.minimal.toml", &Overrides::default());
    let alpha: PublisherName = "alpha-media".parse().unwrap();
    let owner = snapshot.authenticate("demo-publisher-alpha-media");
    assert_eq!(owner, Some(&Owner::Publisher(alpha.clone())));
    assert_eq!(snapshot.authenticate("demo-publisher-alpha-medi"), None);
    assert!(matches!(
        snapshot.authenticate("demo-buyer-07-key"),
        Some(Owner::Buyer(_))
    ));
    let advertiser = snapshot.authenticate("demo-postback-token-auto-us");
    assert!(matches!(advertiser, Some(Owner::Advertiser(name)) if name.as_str() == "auto-us"));

    let campaign = snapshot.campaigns.get("auto-us").unwrap();
    let rules = campaign.rules_for(&alpha).unwrap();
    assert_eq!(
        rules.payout.of(Micros::new(10_000_000)),
        Micros::new(8_000_000)
    );
    assert_eq!(
        campaign.tmax.of(Some(Duration::from_secs(99))),
        Duration::from_secs(30)
    );
    assert!(campaign.goals.contains_key("policy_bound"));
    assert_eq!(snapshot.links.len(), 9);
    for link in snapshot.links.values() {
        assert!(campaign.publishers.contains_key(&link.publisher));
    }
}

/// The canonical form gives the same snapshot again, and holds no key in clear.
#[test]
fn the_canonical_form_is_the_catalog() {
    let vars = BTreeMap::from([("sandbox_01".to_owned(), "http://127.0.0.1:7".to_owned())]);
    let text = std::fs::read_to_string(deploy("catalog/auto-us.toml")).unwrap();
    let first = load_catalog("auto-us.toml", &text, &vars, &[]).unwrap();
    let canonical = String::from_utf8(first.canonical.clone()).unwrap();
    assert!(!canonical.contains("demo-publisher-") && !canonical.contains("demo-postback-"));
    assert!(canonical.contains("http://127.0.0.1:7/ping") && !canonical.contains("${"));
    let second = load_catalog("log", &canonical, &BTreeMap::new(), &[]).unwrap();
    assert_eq!(second.generation, first.generation);
    assert_eq!(second.canonical, first.canonical);
    assert!(second.authenticate("demo-publisher-alpha-media").is_some());
    let other = load_catalog("auto-us.toml", &text, &BTreeMap::new(), &[]).unwrap();
    assert_ne!(other.generation, first.generation);
}

#[test]
fn environment_comes_before_the_file_and_flags_before_both() {
    let text = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    let overrides = Overrides {
        env: text(&[
            ("GAVEL_LISTEN_PUBLIC", "127.0.0.1:1"),
            ("GAVEL_LISTEN_OPERATOR", "127.0.0.1:2"),
            ("GAVEL_CATALOG_VARS_SANDBOX_02", "http://127.0.0.1:3"),
            ("GAVEL_LIMITS_REQUESTS", "17"),
            ("GAVEL_ADMIN_KEY", "another-admin-key"),
            ("GAVEL_PORT", "tcp://10.0.0.1:80"),
        ]),
        flags: text(&[("listen.public", "127.0.0.1:4"), ("data_dir", "here")]),
    };
    let (config, snapshot) = shipped("config/embedded.full.toml", &overrides);
    assert_eq!(config.listen.public.port(), 4);
    assert_eq!(config.listen.operator.port(), 2);
    assert_eq!(config.limits.requests, 17);
    assert_eq!(config.data_dir, Path::new("here"));
    assert_eq!(config.admin_keys.len(), 2);
    assert!(matches!(
        snapshot.authenticate("another-admin-key"),
        Some(Owner::Admin)
    ));
    let campaign = snapshot.campaigns.get("auto-us").unwrap();
    let port = |at: usize| campaign.deliveries[at].post_url.port().unwrap();
    assert_eq!((port(0), port(1), port(2)), (9801, 3, 9803));
}

/// A lead with every field of the schema's examples passes intake.
fn intake_lead(snapshot: &Snapshot, campaign: &str) -> domain::FullLead {
    let body = br#"{"lead": {"zip": 78701, "first_name": "Ann", "last_name": "Lee",
        "phone": "(512) 555-0199", "email": "ann@example.com", "address": "1 Main St",
        "city": "Austin", "age": 34, "date_of_birth": "04/01/1992", "gender": "F",
        "marital_status": "Married", "education": "Bachelors", "credit_rating": "good",
        "home_owner": "Y", "licence_status": "valid", "sr22": 0, "incidents": 0, "drivers": 1,
        "currently_insured": true, "current_company": "Summit", "continuous_coverage_months": 24,
        "policy_expires": "2026-12-31", "coverage_type": "Full Coverage", "vehicle_year": 2020,
        "vehicle_make": "Honda", "vehicle_model": "Civic", "vehicles": 1,
        "ip_address": "198.51.100.7", "user_agent": "Mozilla/5.0", "marker": "m-1",
        "landing_page": "https://quotes.example/auto?x=1",
        "trustedform_url": "https://cert.trustedform.com/abc",
        "jornaya_leadid": "01234567-89AB-CDEF-0123-456789ABCDEF",
        "phone_last4": "0199"}}"#;
    let name: CampaignName = campaign.parse().unwrap();
    let campaign = snapshot.campaigns.get(&name).unwrap();
    let body = Body::read(body, &intake::Limits::default()).unwrap();
    let post = parse_post(&campaign.form, &body).unwrap();
    assert!(post.warnings.is_empty(), "{:?}", post.warnings);
    assert_eq!(
        post.lead.get("state"),
        Some(&FieldValue::Text("TX".to_owned()))
    );
    let fields = post.lead.ping.iter().count() + post.lead.contact.iter().count();
    assert_eq!(fields, campaign.form.schema.fields().len());
    post.lead
}

struct Whole<'l>(&'l domain::FullLead);

impl filter::Fields for Whole<'_> {
    fn cell(&self, name: &str) -> filter::Cell<'_> {
        let value = self.0.get(name);
        value.map_or(filter::Cell::Absent, filter::Cell::Value)
    }
}
