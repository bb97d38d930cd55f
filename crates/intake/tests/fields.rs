//! Every type and rule of fields: what is understood, what it becomes, and what is refused.
#![expect(clippy::unwrap_used, reason = "a test may")]

mod support;

use intake::{Body, Limits, Refusal, parse_post};
use serde_json::{Value, json};

/// What a field's value becomes in a post, or the code of its issue.
fn normalised(field: &str, value: &Value) -> String {
    let mut lead = json!({"zip": "78701", "name": "A", "phone": "5125550199"});
    lead[field] = value.clone();
    let bytes = serde_json::to_vec(&json!({ "lead": lead })).unwrap();
    let body = Body::read(&bytes, &Limits::default()).unwrap();
    match parse_post(&support::form(), &body) {
        Ok(post) => match post.lead.get(field) {
            Some(value) => value.to_string(),
            None => "absent".to_owned(),
        },
        Err(Refusal::Invalid(issues)) => {
            let shown: Vec<String> = issues
                .iter()
                .map(|issue| format!("{} {}", issue.pointer, issue.code.as_str()))
                .collect();
            shown.join(", ")
        }
        Err(malformed) => malformed.to_string(),
    }
}

#[test]
fn understood() {
    for (field, value, expected) in [
        ("zip", json!("78701"), "78701"),
        ("zip", json!(2134), "02134"),
        ("zip", json!(" 78701-1234 "), "78701"),
        ("state", json!("tx"), "TX"),
        ("state", json!("New Hampshire"), "NH"),
        ("state", json!(null), "TX"),
        ("state", json!(""), "TX"),
        ("age", json!(34), "34"),
        ("age", json!(" 34 "), "34"),
        ("insured", json!("Y"), "true"),
        ("insured", json!(0), "false"),
        ("insured", json!(true), "true"),
        ("insured", json!("No"), "false"),
        ("cover", json!("FULL"), "full"),
        ("cover", json!("full-coverage"), "full"),
        ("cover", json!("State Minimum"), "state_minimum"),
        ("cover", json!("Basic"), "state_minimum"),
        ("born", json!("1990-02-28"), "1990-02-28"),
        ("born", json!("1990-02-28T10:00:00Z"), "1990-02-28"),
        ("born", json!("2/8/1990"), "1990-02-08"),
        ("born", json!("02-08-1990"), "1990-02-08"),
        ("born", json!("02081990"), "1990-02-08"),
        ("ip", json!("2001:DB8::1"), "2001:db8::1"),
        (
            "page",
            json!("https://example.com/a?b=c"),
            "https://example.com/a?b=c",
        ),
        (
            "landing",
            json!("https://example.com/a?email=a@b.c#x"),
            "https://example.com/a",
        ),
        ("landing", json!("example.com/auto"), "example.com/auto"),
        ("make", json!("Ford"), "Ford"),
        ("make", json!(911), "911"),
        ("note", json!("late"), "late"),
        ("phone", json!("(512) 555-0199"), "+15125550199"),
        ("phone", json!(5125550199_u64), "+15125550199"),
        ("phone", json!("1-512-555-0199"), "+15125550199"),
        ("phone", json!("+44 20 7946 0958"), "+442079460958"),
        (
            "email",
            json!(" Ann.O'Hara+x@Mail.Example.COM "),
            "ann.o'hara+x@mail.example.com",
        ),
        ("phone_hash", json!("junk"), "absent"),
        ("unknown", json!([1, {"a": 2}]), "absent"),
    ] {
        assert_eq!(normalised(field, &value), expected, "{field}: {value}");
    }
}

#[test]
fn refused() {
    for (field, value, code) in [
        ("zip", json!("7870"), "invalid"),
        ("zip", json!(123_456), "invalid"),
        ("zip", json!(-1), "invalid"),
        ("zip", json!("78701-12"), "invalid"),
        ("zip", json!(true), "wrong_type"),
        ("zip", json!(""), "missing"),
        ("zip", json!(null), "missing"),
        ("state", json!("XX"), "invalid"),
        ("age", json!(15), "too_small"),
        ("age", json!(100), "too_large"),
        ("age", json!(34.5), "wrong_type"),
        ("age", json!("34.5"), "invalid"),
        ("insured", json!("maybe"), "invalid"),
        ("insured", json!(2), "invalid"),
        ("cover", json!("none"), "not_allowed"),
        ("cover", json!(["full"]), "wrong_type"),
        ("born", json!("1990-02-30"), "invalid"),
        ("born", json!("28/02/1990"), "invalid"),
        ("born", json!("2/8/90"), "invalid"),
        ("born", json!("1899-12-31"), "too_small"),
        ("ip", json!("1.2.3"), "invalid"),
        ("page", json!("ftp://example.com"), "invalid"),
        ("page", json!("example.com"), "invalid"),
        ("landing", json!("?a=b"), "invalid"),
        ("landing", json!("https://a:b@example.com"), "invalid"),
        ("make", json!("x"), "too_short"),
        ("make", json!("Mercedes"), "too_long"),
        ("make", json!("a\u{0}b"), "invalid"),
        ("make", json!({"a": 1}), "wrong_type"),
        ("phone", json!("911"), "invalid"),
        ("phone", json!("512 555 01999"), "invalid"),
        ("phone", json!("(000) 555-0199"), "invalid"),
        ("phone", json!("call me"), "invalid"),
        ("email", json!("a@b"), "invalid"),
        ("email", json!("a b@example.com"), "invalid"),
        ("email", json!("a..b@example.com"), "invalid"),
        ("email", json!("@example.com"), "invalid"),
        ("email", json!("a@-example.com"), "invalid"),
    ] {
        let expected = format!("/lead/{field} {code}");
        assert_eq!(normalised(field, &value), expected, "{field}: {value}");
    }
}

#[test]
fn what_follows_from_a_phone_number_and_an_address() {
    let md5 = intake::hash::HashAlg::Md5.hex("5125550199");
    let sha256 = intake::hash::HashAlg::Sha256.hex("ann@mail.example");
    for (field, value, expected) in [
        ("phone_md5", json!(null), md5.as_str()),
        ("phone_md5", json!(md5.to_uppercase()), md5.as_str()),
        ("phone_md5", json!("00ff"), "/lead/phone_md5 invalid"),
        (
            "phone_md5",
            json!("00000000000000000000000000000000"),
            "/lead/phone_md5 conflict",
        ),
        ("npa", json!(null), "512"),
        ("npa", json!(512), "512"),
        ("npa", json!(737), "/lead/npa conflict"),
        ("last4", json!(199), "0199"),
        ("last4", json!("199"), "/lead/last4 invalid"),
        ("email_sha256", json!(null), "absent"),
        ("email", json!("Ann@Mail.example"), "ann@mail.example"),
    ] {
        assert_eq!(normalised(field, &value), expected, "{field}: {value}");
    }
    let body = json!({"lead": {"zip": "78701", "name": "A", "phone": "5125550199",
        "email": " Ann@Mail.example"}});
    let bytes = serde_json::to_vec(&body).unwrap();
    let body = Body::read(&bytes, &Limits::default()).unwrap();
    let lead = parse_post(&support::form(), &body).unwrap().lead;
    let derived = |name: &str| lead.ping.get(name).unwrap().to_string();
    assert_eq!(derived("email_sha256"), sha256);
    assert_eq!(derived("domain"), "mail.example");
}

#[test]
fn certificates() {
    for (field, value, expected) in [
        (
            "trustedform",
            json!("https://cert.trustedform.com/abc"),
            "https://cert.trustedform.com/abc",
        ),
        (
            "trustedform",
            json!("http://cert.trustedform.com/a"),
            "invalid",
        ),
        (
            "trustedform",
            json!("https://trustedform.example/a"),
            "invalid",
        ),
        (
            "jornaya",
            json!("01234567-89ab-cdef-0123-456789abcdef"),
            "01234567-89AB-CDEF-0123-456789ABCDEF",
        ),
        ("jornaya", json!("01234567"), "invalid"),
    ] {
        let expected = match expected {
            "invalid" => format!("/lead/{field} invalid"),
            good => good.to_owned(),
        };
        assert_eq!(normalised(field, &value), expected, "{field}: {value}");
    }
}
