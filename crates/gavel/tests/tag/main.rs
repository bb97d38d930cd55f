//! The tag in a real browser: a person follows a tracking link to an advertiser's page, looks at
//! another one, and orders; ClickHouse then knows the same visitor from the click to the order.
//!
//! `track.shop.example` is of one site with the shop, as it should be, and a stranger to another
//! advertiser's; there only the click's id in the address tells where a visitor came from. Whatever a
//! page forbids and however a browser is set, nothing may show on the page's console.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test of processes, which fails by panicking"
)]

mod browser;
#[path = "../library/mod.rs"]
mod library;
#[path = "../running/mod.rs"]
mod running;
mod site;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use browser::{Browser, Page};
use running::{Running, until};
use site::Site;

/// An advertiser whose tracking is of its own site, and one whose tracking is not.
const CATALOG: &str = r#"
[campaigns.shop]
schema = "auto-insurance"
origins = ["@SHOP@", "@OTHER@"]
publishers = { alpha-media = { margin = "20%" } }
goals = { order = { payout = "3.00", trust_pixel = true } }

[offers.shop]
campaign = "shop"
landing_pages = ["@SHOP@/landing", "@OTHER@/landing"]

[links.shop-search]
publisher = "alpha-media"
offer = "shop"
destination = "@SHOP@/landing?c={click_id}&utm_source=alpha&utm_medium=cpc&utm_campaign={s1}&gclid={gclid}"

[links.other-search]
publisher = "alpha-media"
offer = "shop"
destination = "@OTHER@/landing?c={click_id}"
"#;

/// What one service, one web server and its pages are to a test.
struct World {
    running: Running,
    site: Site,
}

impl World {
    fn start() -> Self {
        let site = Site::bind();
        let catalog = CATALOG
            .replace("@SHOP@", &site.named("www.shop.example"))
            .replace("@OTHER@", &site.named("www.other.example"));
        let running = Running::start("", "", &catalog, "info");
        let port = running.address("public").rsplit_once(':').unwrap().1;
        let track = format!("http://track.shop.example:{port}");
        site.serve(pages(&track));
        Self { running, site }
    }

    fn shop(&self, path: &str) -> String {
        self.site.named("www.shop.example") + path
    }

    /// As an event names a page: without its scheme.
    fn logged(&self, name: &str, path: &str) -> String {
        let url = self.site.named(name) + path;
        url.strip_prefix("http://").unwrap().to_owned()
    }

    /// Waits for a row, and there is one only. Views come into being with the first rows.
    fn row(&self, sql: &str) -> Value {
        let sql = format!("{sql} FORMAT JSONEachRow");
        let mut answer = (false, String::new());
        until(&sql, || {
            answer = self.running.ask(&sql);
            answer.0 && !answer.1.is_empty()
        });
        serde_json::from_str(&answer.1).unwrap_or_else(|error| panic!("{error}: {}", answer.1))
    }

    /// What is known of the visit of a page.
    fn visit(&self, page: &str) -> Value {
        self.row(&format!(
            "SELECT visitor, click_id, campaign, page, referrer, utm, gclid, fbc, fbp, device, os, \
             flags, source FROM v_events WHERE kind = 'visit' AND page = '{page}'"
        ))
    }

    /// The visitor of a click.
    fn clicked(&self, click: &str) -> String {
        let row = self.row(&format!(
            "SELECT visitor FROM v_events WHERE kind = 'click' AND click_id = '{click}'"
        ));
        row["visitor"].as_str().unwrap().to_owned()
    }
}

fn pages(track: &str) -> BTreeMap<&'static str, (String, String)> {
    let tag = format!("<script async src=\"{track}/t.js\" data-campaign=\"shop\"></script>");
    let open = |html: String| {
        (
            String::new(),
            format!("<!doctype html><title>a page</title>{html}"),
        )
    };
    let strict = |header: &str| (format!("{header}\r\n"), open(tag.clone()).1);
    let leave = "<script>onload = () => location.replace('/quiet?' + location.pathname)</script>";
    BTreeMap::from([
        (
            "/ads",
            open(format!(
                "<link rel=prefetch href=\"{track}/c/shop-search?s1=early\">\
                 <a id=shop href=\"{track}/c/shop-search?s1=shoes&gclid=g-1\">shoes</a>\
                 <a id=other href=\"{track}/c/other-search\">others</a>"
            )),
        ),
        (
            "/landing",
            open(format!(
                "<script>document.cookie = '_fbc=fb.1.1.abc'; document.cookie = '_fbp=100%'</script>\
                 {tag}<a id=next href=\"/thanks?secret=1#top\">order</a>"
            )),
        ),
        (
            "/thanks",
            open(format!(
                "{tag}<img src=\"{track}/p.gif?campaign=shop&goal=order&txid=o-1\">"
            )),
        ),
        (
            "/strict",
            strict(&format!(
                "content-security-policy: default-src 'none'; script-src {track}; connect-src {track}; \
                 require-trusted-types-for 'script'\r\nreferrer-policy: no-referrer"
            )),
        ),
        (
            "/closed",
            strict(&format!(
                "content-security-policy: script-src {track}; connect-src 'none'"
            )),
        ),
        (
            "/sandboxed",
            strict("content-security-policy: sandbox allow-scripts"),
        ),
        ("/left", open(format!("{tag}{leave}"))),
        (
            "/left-by-old",
            open(format!(
                "<script>delete Request.prototype.keepalive</script>{tag}{leave}"
            )),
        ),
        ("/quiet", open(String::new())),
    ])
}

#[test]
fn a_visitor_is_known_from_the_click_to_the_order() {
    let (Some(_), Some(program)) = (library::library(), browser::program()) else {
        return;
    };
    let world = World::start();
    world.running.until_ready();
    let mut browser = Browser::start(&program, &json!({}));
    tracked_on_its_own_site(&world, &mut browser);
    tracked_from_another_site(&world, &mut browser);
    pages_that_forbid(&world, &mut browser);
    drop(browser);
    without_cookies(&world, &program);
    let all = "SELECT toUInt8(count() = 7) FROM v_events WHERE kind = 'visit'";
    assert!(
        world.running.holds(all),
        "a visit is missing, or one too many"
    );
    let log = fs::read_to_string(world.running.home.path().join("stderr")).unwrap();
    let wrong = |line: &&str| {
        let line: Value = serde_json::from_str(line).unwrap();
        // An engine that comes up slowly is waited for, and that is said.
        let waits = line["message"] == "the worker pauses and tries again"
            && line["step"] == "prepare"
            && line["level"] == "WARN";
        (line["level"] == "WARN" || line["level"] == "ERROR") && !waits
    };
    assert_eq!(log.lines().filter(wrong).collect::<Vec<_>>(), [""; 0]);
    world.running.end();
}

/// Goes from a publisher's page to the advertiser's; the click's id, from the address it leads to.
fn come(world: &World, browser: &mut Browser, page: &Page, link: &str, to: &str) -> String {
    browser.open(page, &(world.site.named("ads.example") + "/ads"));
    browser.follow(page, link, &(world.site.named(to) + "/landing"));
    let click = browser.value(page, "new URLSearchParams(location.search).get('c')");
    click.as_str().unwrap().to_owned()
}

fn tracked_on_its_own_site(world: &World, browser: &mut Browser) {
    let page = browser.person();
    browser.with_a_screen(&page);
    let click = come(world, browser, &page, "#shop", "www.shop.example");
    browser.follow(&page, "#next", &world.shop("/thanks"));
    let cookies = browser.value(&page, "document.cookie");
    assert_eq!(browser.complaints(), [""; 0]);

    let visitor = world.clicked(&click);
    let common = json!({
        "visitor": visitor, "click_id": click, "campaign": "shop", "fbc": "fb.1.1.abc", "fbp": "100%",
        "device": "desktop", "os": "linux", "flags": [], "source": "tag",
    });
    let expected = |more: Value| {
        let mut expected = common.as_object().unwrap().clone();
        expected.extend(more.as_object().unwrap().clone());
        Value::Object(expected)
    };
    let landing = world.logged("www.shop.example", "/landing");
    assert_eq!(
        world.visit(&landing),
        expected(json!({
            "page": landing, "referrer": world.logged("ads.example", ""), "gclid": "g-1",
            "utm": { "source": "alpha", "medium": "cpc", "campaign": "shoes" },
        }))
    );
    let thanks = world.logged("www.shop.example", "/thanks");
    assert_eq!(
        world.visit(&thanks),
        expected(json!({ "page": thanks, "referrer": landing, "gclid": "", "utm": {} }))
    );
    // The page sees the tag's cookies, and not the one that clicks and beacons set.
    let cookies = cookies.as_str().unwrap();
    assert!(cookies.contains("_gv_id=") && cookies.contains(&format!("_gv_click={click}")));
    assert!(!cookies.contains("gvid="), "{cookies}");

    // The picture of the order came with the visitor's cookie, and the click is paid for.
    let order = world.row(
        "SELECT visitor, payee, toString(payout) AS payout, touches FROM v_conversions \
         WHERE campaign = 'shop' AND touches > 0",
    );
    assert_eq!(
        order,
        json!({ "visitor": visitor, "payee": "alpha-media", "payout": "3", "touches": 1 })
    );
    // What the browser fetched ahead is of the same visitor, and is no touch.
    let early = world.row(
        "SELECT visitor, flags FROM v_events WHERE kind = 'click' AND sub['s1'] = 'early' LIMIT 1",
    );
    assert_eq!(early["flags"], json!(["prefetch"]));
}

fn tracked_from_another_site(world: &World, browser: &mut Browser) {
    let page = browser.person();
    browser.with_a_screen(&page);
    let click = come(world, browser, &page, "#other", "www.other.example");
    // Pages that are left before the answer comes, in a browser of now and in one of before.
    for path in ["/left", "/left-by-old"] {
        let url = world.site.named("www.other.example") + path;
        browser.value(&page, &format!("location.href = '{url}'"));
        browser.until(&page, &format!("location.search === '?{path}'"));
    }
    assert_eq!(browser.complaints(), [""; 0]);

    // No cookie of the click comes along: what the page's own cookies say joins its visits to it.
    let visits = ["/landing", "/left", "/left-by-old"].map(|path| {
        let visit = world.visit(&world.logged("www.other.example", path));
        assert_eq!(visit["click_id"], click.as_str());
        visit["visitor"].clone()
    });
    assert!(
        visits.iter().all(|visitor| *visitor == visits[0]),
        "{visits:?}"
    );
    assert_ne!(visits[0], world.clicked(&click).as_str());
}

fn pages_that_forbid(world: &World, browser: &mut Browser) {
    let page = browser.person();
    // Referrers and all that the tag does not need: it works.
    browser.open(&page, &world.shop("/strict"));
    assert_eq!(browser.complaints(), [""; 0]);
    let strict = world.visit(&world.logged("www.shop.example", "/strict"));
    assert_eq!(
        (&strict["referrer"], &strict["flags"]),
        (&json!(""), &json!(["bot"]))
    );
    // Its cookies: it keeps still.
    browser.open(&page, &world.shop("/sandboxed"));
    assert_eq!(browser.complaints(), [""; 0]);
    // The beacon: the browser says so, and nothing else does.
    browser.open(&page, &world.shop("/closed"));
    let complaints = browser.complaints();
    let of_policy = |complaint: &String| complaint.contains("Content Security Policy");
    assert!(
        !complaints.is_empty() && complaints.iter().all(of_policy),
        "{complaints:?}"
    );
}

fn without_cookies(world: &World, program: &Path) {
    let blocked = json!({ "profile": { "default_content_setting_values": { "cookies": 2 } } });
    let mut browser = Browser::start(program, &blocked);
    let page = browser.owner();
    let click = come(world, &mut browser, &page, "#shop", "www.shop.example");
    assert_eq!(browser.value(&page, "document.cookie"), "");
    assert_eq!(browser.complaints(), [""; 0]);
    let visit = world.row(&format!(
        "SELECT click_id FROM v_events WHERE kind = 'visit' AND click_id = '{click}'"
    ));
    assert_eq!(visit["click_id"], click.as_str());
}
