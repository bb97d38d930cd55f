//! Whole requests: the control members, the refusals, all issues at once, and the canonical form.
#![expect(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::time::Duration;

use domain::FieldName;
use expect_test::{Expect, expect};
use intake::{
    Body, ConsentRule, Form, Issue, Limits, PostRequest, Refusal, Unknown, parse_ping, parse_post,
};
use proptest::prelude::*;

fn lines(issues: &[Issue]) -> String {
    let lines: Vec<String> = issues
        .iter()
        .map(|issue| {
            format!(
                "{} {}: {}",
                issue.pointer,
                issue.code.as_str(),
                issue.message
            )
        })
        .collect();
    lines.join("\n")
}

fn shown<T>(result: Result<T, Refusal>) -> String {
    match result {
        Ok(_) => "good".to_owned(),
        Err(Refusal::Invalid(issues)) => lines(&issues),
        Err(malformed) => malformed.to_string(),
    }
}

fn check_ping(body: &str, expect: Expect) {
    let read = Body::read(body.as_bytes(), &Limits::default());
    expect.assert_eq(&shown(
        read.and_then(|body| parse_ping(&support::form(), &body)),
    ));
}

fn check_post(body: &str, expect: Expect) {
    let read = Body::read(body.as_bytes(), &Limits::default());
    expect.assert_eq(&shown(
        read.and_then(|body| parse_post(&support::form(), &body)),
    ));
}

#[test]
fn a_whole_ping() {
    let body = br#"{"tmax_ms": 3000, "sub": {"s1": "fb", "s10": "x"}, "click_id": "ck_1",
        "publisher_lead_id": "A-1", "slots": 2, "already_sold": 1, "min_payout": "5.00",
        "exclude": ["buyer-name",
          "sha256:00000000000000000000000000000000000000000000000000000000000000ff"],
        "test": true, "request_id": "r-1", "lead": {"zip": "78701", "age": 34, "shoe": 9}}"#;
    let body = Body::read(body, &Limits::default()).unwrap();
    assert_eq!(body.text("request_id"), Some("r-1"));
    let ping = parse_ping(&support::form(), &body).unwrap();
    assert_eq!(ping.control.tmax, Some(Duration::from_secs(3)));
    assert_eq!(ping.control.sub["s10"], "x");
    assert_eq!(ping.control.min_payout, Some("5".parse().unwrap()));
    assert_eq!(ping.control.exclude.len(), 2);
    assert!(ping.control.test);
    let fields: Vec<String> = ping
        .fields
        .iter()
        .map(|(name, _, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(fields, ["age=34", "state=TX", "zip=78701"]);
    assert_eq!(
        lines(&ping.warnings),
        "/lead/shoe unknown: no such field; ignored"
    );
}

#[test]
fn a_whole_post() {
    let body = br#"{"ping_id": "pq_1", "legs": ["l1"], "consent": {"text": "I agree",
        "at": "2026-01-31T10:00:00Z", "ip": "192.0.2.1", "user_agent": "x", "url": "https://e.com",
        "sellers": ["A", "B"], "trustedform_url": "https://cert.trustedform.com/t",
        "jornaya_leadid": "01234567-89ab-cdef-0123-456789abcdef"},
        "lead": {"zip": 2134, "name": "Ann", "phone": "6175550123", "note": "n", "phone_hash": "h"}}"#;
    let body = Body::read(body, &Limits::default()).unwrap();
    let post = parse_post(&support::form(), &body).unwrap();
    assert_eq!(post.ping_id.as_deref(), Some("pq_1"));
    assert_eq!(post.legs, ["l1"]);
    assert_eq!(post.consent.unwrap().sellers, ["A", "B"]);
    let contact: Vec<String> = post
        .lead
        .contact
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(contact, ["name=Ann", "note=n", "phone=+16175550123"]);
    let ping: Vec<&str> = post
        .lead
        .ping
        .iter()
        .map(|(name, _, _)| name.as_str())
        .collect();
    assert_eq!(
        ping,
        [
            "jornaya",
            "last4",
            "npa",
            "phone_md5",
            "state",
            "trustedform",
            "zip"
        ]
    );
    assert_eq!(
        lines(&post.warnings),
        "/lead/phone_hash unknown: this field belongs into the ping; ignored"
    );
}

#[test]
fn control_members_all_at_once() {
    check_post(
        r#"{"tmax_ms": 0, "sub": {"s1": 1, "s11": "x"}, "click_id": {}, "slots": 9,
            "already_sold": -1, "min_payout": 5, "exclude": ["A B", 1, "sha256:00"],
            "test": "yes", "ping_id": 7, "request_id": "a b", "legs": "l1", "tmax": 5, "a/b~c": 1,
            "consent": {"at": "yesterday", "ip": "x", "sellers": [1], "fax": true},
            "lead": {"age": 12, "phone": "1"}}"#,
        expect![[r#"
            /tmax_ms too_small: at least 1
            /click_id wrong_type: expected text
            /slots too_large: at most 8
            /already_sold too_small: at least 0
            /min_payout wrong_type: expected an amount as text: "12.50"
            /exclude/0 invalid: expected a buyer's name or `sha256:` and 64 hex digits
            /exclude/1 wrong_type: expected text
            /exclude/2 invalid: expected a buyer's name or `sha256:` and 64 hex digits
            /test wrong_type: expected true or false
            /request_id invalid: expected 1 to 255 plain characters
            /ping_id wrong_type: expected text
            /legs wrong_type: expected a list of texts
            /a~1b~0c unknown: no such member
            /tmax unknown: no such member
            /sub/s1 wrong_type: expected text
            /sub/s11 unknown: no such member
            /consent/at invalid: expected a time in RFC 3339
            /consent/ip invalid: expected an IP address
            /consent/sellers/0 wrong_type: expected text
            /consent/fax unknown: no such member
            /lead/age too_small: at least 16
            /lead/phone invalid: expected a valid phone number
            /lead/zip missing: this field is required
            /lead/name missing: this field is required"#]],
    );
}

#[test]
fn post_only_data_is_kept_out_of_pings() {
    check_ping(
        r#"{"lead": {"zip": "78701", "phone": "5125550199", "note": "x", "email": null}}"#,
        expect![[r#"
            /lead/note post_only: this field belongs into the post
            /lead/phone post_only: contact data must not be in a ping"#]],
    );
    check_ping(
        r#"{"ping_id": "pq_1", "consent": {}, "legs": [], "lead": {"zip": "78701"}}"#,
        expect![[r#"
            /consent unknown: no such member
            /legs unknown: no such member
            /ping_id unknown: no such member"#]],
    );
}

#[test]
fn the_lead_itself() {
    check_ping("{}", expect!["/lead missing: the lead is missing"]);
    check_ping(
        r#"{"lead": null}"#,
        expect!["/lead missing: the lead is missing"],
    );
    check_ping(
        r#"{"lead": []}"#,
        expect!["/lead wrong_type: expected an object"],
    );
    check_post(
        r#"{"legs": ["l1"], "lead": {"zip": "78701", "name": "A", "phone": "5125550199"}}"#,
        expect!["/legs conflict: legs are picked from a quote: `ping_id` is missing"],
    );
}

#[test]
fn malformed() {
    check_ping(
        "",
        expect!["malformed: EOF while parsing a value at line 1 column 0"],
    );
    check_ping("[]", expect!["malformed: expected a JSON object"]);
    check_ping(
        "{} x",
        expect!["malformed: trailing characters at line 1 column 4"],
    );
    check_ping(
        r#"{"lead": {"zip": }"#,
        expect!["malformed: expected value at line 1 column 18"],
    );
    check_ping(
        r#"{"lead": {"zip": "1", "\u007aip": "2"}}"#,
        expect!["malformed: a member is named twice at line 1 column 32"],
    );
    check_ping(
        &format!("{{\"lead\": {}1{}}}", "[".repeat(8), "]".repeat(8)),
        expect!["malformed: nested too deep at line 1 column 17"],
    );
    check_ping(
        &format!("{{\"lead\": [{}1]}}", "1,".repeat(1_000)),
        expect!["malformed: too many values at line 1 column 2006"],
    );
    check_ping(
        &" ".repeat(70_000),
        expect!["malformed: more than 65536 bytes"],
    );
    let broken = b"{\"lead\": {\"zip\": \"\xff\"}}";
    assert!(matches!(
        Body::read(broken, &Limits::default()),
        Err(Refusal::Malformed(_))
    ));
}

#[test]
fn the_canonical_form_is_blind_to_order_space_and_escapes() {
    let canonical = |text: &str| {
        let body = Body::read(text.as_bytes(), &Limits::default()).unwrap();
        String::from_utf8(body.canonical()).unwrap()
    };
    let a = canonical("{\"b\": [1, 2.5, null], \"a\": {\"y\": true, \"x\": \"\\u00e9\"}}");
    assert_eq!(
        a,
        canonical("{\"a\":{\"x\":\"é\",\"y\":true},\n\"b\":[1,2.5,null]}")
    );
    assert_eq!(a, "{\"a\":{\"x\":\"é\",\"y\":true},\"b\":[1,2.5,null]}");
    assert_ne!(
        a,
        canonical("{\"a\":{\"x\":\"é\",\"y\":true},\"b\":[2.5,1,null]}")
    );
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(body) = Body::read(&bytes, &Limits::default()) {
            let _ = parse_ping(&support::form(), &body);
        }
    }

    #[test]
    fn no_value_panics_and_canonical_is_a_fixed_point(
        member in "lead|sub|consent|tmax_ms|exclude|legs|min_payout",
        field in "zip|state|age|born|phone|email|page|ip|cover|make|s1|at",
        text in "\\PC{0,30}|[0-9/+. @-]{0,14}",
        number in any::<i64>(),
    ) {
        for value in [serde_json::json!(text), serde_json::json!(number)] {
            let document = serde_json::json!({ member.as_str(): { field.as_str(): value } });
            let bytes = document.to_string().into_bytes();
            let body = Body::read(&bytes, &Limits::default()).unwrap();
            let _ = parse_ping(&support::form(), &body);
            let _ = parse_post(&support::form(), &body);
            let canonical = body.canonical();
            let again = Body::read(&canonical, &Limits::default()).unwrap().canonical();
            prop_assert_eq!(canonical, again);
        }
    }
}

fn posted(form: &Form, body: &str) -> Result<PostRequest, Refusal> {
    parse_post(form, &Body::read(body.as_bytes(), &Limits::default())?)
}

#[test]
fn unknown_fields_are_ignored_kept_or_refused() {
    let long = "x".repeat(501);
    let body = format!(
        r#"{{"lead": {{"zip": "78701", "name": "A", "phone": "5125550199", "shoe": 9.5,
            "hat": " big ", "none": null, "Nested": [], "Upper": "x", "long": "{long}"}}}}"#
    );
    let mut form = support::form();
    let ignored = posted(&form, &body).unwrap();
    assert_eq!(ignored.warnings.len(), 6);
    form.unknown = Unknown::Keep;
    let kept = posted(&form, &body).unwrap();
    assert_eq!(kept.lead.contact.get("shoe").unwrap().to_string(), "9.5");
    assert_eq!(kept.lead.contact.get("hat").unwrap().to_string(), "big");
    expect![[r#"
        /lead/Nested unknown: no such field, and not kept: it is no text
        /lead/Upper unknown: no such field, and not kept: fields cannot have this name
        /lead/long unknown: no such field, and not kept: more than 500 characters, or control characters"#]]
    .assert_eq(&lines(&kept.warnings));
    form.unknown = Unknown::Refuse;
    expect![[r#"
        /lead/Nested unknown: no such field
        /lead/Upper unknown: no such field
        /lead/hat unknown: no such field
        /lead/long unknown: no such field
        /lead/none unknown: no such field
        /lead/shoe unknown: no such field"#]]
    .assert_eq(&shown(posted(&form, &body)));
}

#[test]
fn no_more_than_fifty_unknown_fields_are_kept() {
    let many: Vec<String> = (0..60).map(|n| format!(r#""x{n:02}": {n}"#)).collect();
    let body = format!(
        r#"{{"lead": {{"zip": "78701", "name": "A", "phone": "5125550199", {}}}}}"#,
        many.join(",")
    );
    let mut form = support::form();
    form.unknown = Unknown::Keep;
    let kept = posted(&form, &body).unwrap();
    let extras = (kept.lead.contact.iter()).filter(|(name, _)| name.as_str().starts_with('x'));
    assert_eq!((extras.count(), kept.warnings.len()), (50, 10));
}

#[test]
fn tcpa_needs_the_record_of_consent_whole() {
    let mut form = support::form();
    form.consent = ConsentRule::Tcpa;
    let lead = r#""lead": {"zip": "78701", "name": "A", "phone": "5125550199"}"#;
    // Without any it is a lead all the same, and the publisher is told.
    let without = posted(&form, &format!("{{{lead}}}")).unwrap();
    assert_eq!(without.consent, None);
    expect!["/consent missing: this campaign takes no lead without the consumer's consent"]
        .assert_eq(&lines(&without.warnings));
    expect![[r#"
        /consent/ip invalid: expected an IP address
        /consent/text missing: this campaign needs it
        /consent/at missing: this campaign needs it
        /consent/url missing: this campaign needs it"#]]
    .assert_eq(&shown(posted(
        &form,
        &format!(r#"{{"consent": {{"ip": "x", "text": " ", "at": null}}, {lead}}}"#),
    )));
    let whole = format!(
        r#"{{"consent": {{"ip": "192.0.2.1", "text": "I agree", "at": "2026-01-31T10:00:00Z",
            "url": "https://e.com/form", "trustedform_url": "https://cert.trustedform.com/t"}},
            {lead}}}"#
    );
    let post = posted(&form, &whole).unwrap();
    // The certificate is there for the buyers that may see it before they bid.
    assert_eq!(
        post.lead.ping.get("trustedform").unwrap().to_string(),
        "https://cert.trustedform.com/t"
    );
}

#[test]
fn a_quotes_post_names_what_is_unlike_its_phone_number() {
    let sent = r#""lead": {"zip": "78701", "name": "A", "phone": "5125550199",
        "phone_md5": "00000000000000000000000000000000"}"#;
    let form = support::form();
    let post = posted(&form, &format!(r#"{{"ping_id": "pq_1", {sent}}}"#)).unwrap();
    expect![
        "/lead/phone_md5 conflict: is not what the lead's phone number or e-mail address gives"
    ]
    .assert_eq(&lines(&post.unlike));
    expect![
        "/lead/phone_md5 conflict: is not what the lead's phone number or e-mail address gives"
    ]
    .assert_eq(&shown(posted(&form, &format!("{{{sent}}}"))));
}

#[test]
fn a_hash_and_the_number_it_is_of_meet_in_one_form() {
    let schema = support::form().schema;
    let fields: Vec<FieldName> = ["phone", "email"].map(|name| name.parse().unwrap()).into();
    let post = posted(
        &support::form(),
        r#"{"lead": {"zip": "78701", "name": "A", "phone": "+1 512-555-0199"}}"#,
    );
    let lead = post.unwrap().lead;
    let of_post = schema.identifiers(&fields, |name| lead.get(name.as_str()));
    let md5 = intake::hash::HashAlg::Md5.hex("5125550199");
    let body = format!(r#"{{"lead": {{"zip": "78701", "phone_md5": "{md5}"}}}}"#);
    let body = Body::read(body.as_bytes(), &Limits::default()).unwrap();
    let ping = parse_ping(&support::form(), &body).unwrap().fields;
    let of_ping = schema.identifiers(&fields, |name| ping.get(name.as_str()));
    assert_eq!(of_ping.len(), 1);
    assert!(of_post.contains(&of_ping[0]), "{of_post:?}");
    assert_eq!(of_post.len(), 2, "{of_post:?}");
}
