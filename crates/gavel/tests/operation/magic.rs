//! Test mode from end to end: every magic ZIP code brings about what the sandbox's table says, and test
//! leads leave real ones, money and reports alone.

use sandbox::Magic;
use serde_json::{Value, json};

use crate::library;
use crate::running::{Running, request, until};

const PATH: &str = "/v1/campaigns/auto-us-targeted/post";
/// How long buyers are waited for.
const STALLED: &str = "12s";

/// A direct post; the answer's body.
fn post(running: &Running, person: usize, zip: &str, test: bool) -> Value {
    let lead = json!({
        "zip": zip, "age": 34, "currently_insured": true, "first_name": "Ada", "last_name": "Example",
        "phone": format!("512-555-01{person:02}"), "email": format!("ada-{person}@example.com"),
    });
    let body = json!({ "tmax_ms": 30_000, "test": test, "lead": lead }).to_string();
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nauthorization: Bearer demo-publisher-alpha-media\r\ncontent-type: application/json"
    );
    let answer = request(running.address("public"), &head, &body);
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

/// What a publisher hears, and what becomes of the post, if there is one: its state, its reason, its flags.
fn becomes(magic: Magic) -> (&'static str, &'static str) {
    match magic {
        Magic::Buy => ("sold", "accepted won []"),
        Magic::Decline | Magic::StallPing | Magic::BreakPing => ("unsold", ""),
        Magic::Reject => ("unsold", "rejected buyer_rejected []"),
        Magic::StallPost | Magic::BreakPost | Magic::Pending => ("pending", "in_doubt in_doubt []"),
        Magic::Reprice => ("sold", "accepted won ['price_changed']"),
    }
}

/// Why the contract did not get so far, by the waterfall.
fn declined(magic: Magic) -> &'static str {
    match magic {
        Magic::Decline => "no_bid",
        Magic::StallPing => "ping_timeout",
        Magic::BreakPing => "bad_response",
        _ => "won",
    }
}

#[test]
fn every_magic_zip_does_what_it_says_and_no_report_shows_it() {
    if library::library().is_none() {
        return;
    }
    // A machine that stands still is not taken for a buyer that does.
    let post_timeout = format!("post_timeout = \"{STALLED}\"\n");
    let running = Running::start_on("", &post_timeout, "info", |shipped| {
        let of_campaigns = "\nping_timeout = \"1s\"\n";
        assert!(shipped.contains(of_campaigns));
        shipped.replace(of_campaigns, &format!("\nping_timeout = \"{STALLED}\"\n"))
    });
    // Beside each other, because who is stalled takes all that time.
    let heard: Vec<(Magic, String)> = std::thread::scope(|scope| {
        let running = &running;
        let posts: Vec<_> = (0..)
            .zip(Magic::ALL)
            .map(|(person, (zip, magic))| {
                let answer = scope.spawn(move || post(running, person, zip, true));
                (magic, answer)
            })
            .collect();
        let answers = posts.into_iter().map(|(magic, answer)| {
            let answer = answer.join().unwrap();
            let (status, _) = becomes(magic);
            assert_eq!(answer["status"], status, "{magic:?}: {answer}");
            assert_eq!(answer["test"], true, "{magic:?}: {answer}");
            (magic, answer["lead_id"].as_str().unwrap().to_owned())
        });
        answers.collect()
    });
    // The same person for real is a new one, and with a magic ZIP nothing special.
    let real = post(&running, 0, "99992", false);
    assert_eq!(real["status"], "sold", "{real}");

    running.until_ready();
    for (magic, lead) in &heard {
        let (status, of_post) = becomes(*magic);
        let row = format!(
            "SELECT toUInt8(status = '{status}' AND test) FROM leads FINAL WHERE lead_id = '{lead}'"
        );
        until(&format!("{magic:?} arrives"), || running.holds(&row));
        let posts = format!(
            "SELECT concat(state, ' ', reason, ' ', toString(flags)) FROM posts FINAL \
             WHERE lead_id = '{lead}' AND test AND contract = 'buyer-10-testing' FORMAT TSVRaw"
        );
        until(&format!("the post of {magic:?} is {of_post:?}"), || {
            running.ask(&posts).1.trim_end() == of_post
        });
        let why = format!(
            "SELECT toUInt8(contracts.ping_reason[1] = '{}' AND length(contracts.contract) = 1) \
             FROM auctions FINAL WHERE lead_id = '{lead}' AND test",
            declined(*magic)
        );
        until(&format!("{magic:?} is explained"), || running.holds(&why));
    }
    // The real lead is the only one that reports know, that converts and that is paid for.
    let real = real["lead_id"].as_str().unwrap();
    until("the real lead converts", || {
        running.holds(&format!(
            "SELECT toUInt8(count() = 1 AND any(lead_id) = '{real}') FROM v_payables"
        ))
    });
    for view in [
        "v_leads",
        "v_posts",
        "v_auctions",
        "v_pings",
        "v_conversions",
    ] {
        let only = format!("SELECT toUInt8(groupUniqArray(lead_id) = ['{real}']) FROM {view}");
        assert!(
            running.holds(&only),
            "{view}: {:?}",
            running.ask(&format!("SELECT lead_id FROM {view}"))
        );
    }
    running.end();
}
