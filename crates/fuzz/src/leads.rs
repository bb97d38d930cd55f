//! Publishers' bodies: JSON, control members and the lead against the shipped schema.

use intake::{Body, Limits, Refusal, parse_ping, parse_post};

pub(crate) fn run(data: &[u8]) {
    let limits = Limits::default();
    let Ok(body) = Body::read(data, &limits) else {
        return;
    };
    assert!(data.len() <= limits.bytes);
    // The canonical form is a document that says the same and is its own canonical form.
    let canonical = body.canonical();
    let again = Body::read(
        &canonical,
        &Limits {
            bytes: usize::MAX,
            ..limits
        },
    );
    let again = again.expect("what was read is read again");
    assert_eq!(again.canonical(), canonical);
    for campaign in crate::shipped().campaigns.values() {
        // The same bytes give the same issues, each once, and order of members makes no difference.
        let issues = |refused: Option<Refusal>| match refused {
            Some(Refusal::Invalid(issues)) => {
                assert!(!issues.is_empty(), "refused for nothing");
                let mut all: Vec<String> =
                    issues.iter().map(|issue| format!("{issue:?}")).collect();
                all.sort();
                all
            }
            Some(Refusal::Malformed(why)) => vec![why],
            None => Vec::new(),
        };
        let ping = |body| issues(parse_ping(&campaign.form, body).err());
        let post = |body| issues(parse_post(&campaign.form, body).err());
        assert_eq!(ping(&body), ping(&again));
        assert_eq!(post(&body), post(&again));
    }
}
