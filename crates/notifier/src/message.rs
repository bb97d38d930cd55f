//! A notice as a request: macros filled in, and the signature.
//!
//! What is signed is what an inbound postback's signature signs: HMAC-SHA-256 under the publisher's
//! secret over everything before `&sig=`, byte for byte as sent. Of a GET that is the query, of a POST a
//! line feed and the body. `sent_at`, seconds since 1970, stands right before it, so that a receiver can
//! refuse old ones.

use catalog::{NoticeMacro, NoticeMethod, NoticePiece, PostbackOut};
use data_encoding::HEXLOWER;
use domain::{Micros, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;
use warehouse::PostbackRow;

/// What is left as it is in a value.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'~')
    .remove(b'.');

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// Path, and the query of a GET.
    pub(crate) target: String,
    /// The form of a POST; none for a GET.
    pub(crate) form: Option<String>,
}

/// Makes the request of a notice.
pub(crate) fn build(postback: &PostbackOut, notice: &PostbackRow, now: Timestamp) -> Message {
    let mut url = String::with_capacity(256);
    for piece in &postback.url.pieces {
        match piece {
            NoticePiece::Text(text) => url.push_str(text),
            NoticePiece::Macro(name) => {
                let value = value(*name, notice);
                url.extend(utf8_percent_encode(&value, ESCAPED));
            }
        }
    }
    let (path, mut parameters) = match url.split_once('?') {
        Some((path, query)) => (path.to_owned(), query.to_owned()),
        None => (url, String::new()),
    };
    if let Some(secret) = &postback.secret {
        if !parameters.is_empty() {
            parameters.push('&');
        }
        let seconds = now.as_micros().div_euclid(1_000_000);
        parameters.push_str(&format!("sent_at={seconds}"));
        let signed = match postback.method {
            NoticeMethod::Get => parameters.clone(),
            NoticeMethod::Post => format!("\n{parameters}"),
        };
        parameters.push_str(&format!("&sig={}", sign(&secret.0, &signed)));
    }
    match postback.method {
        NoticeMethod::Get if parameters.is_empty() => Message {
            target: path,
            form: None,
        },
        NoticeMethod::Get => Message {
            target: format!("{path}?{parameters}"),
            form: None,
        },
        NoticeMethod::Post => Message {
            target: path,
            form: Some(parameters),
        },
    }
}

fn value(name: NoticeMacro, notice: &PostbackRow) -> String {
    match name {
        NoticeMacro::NoticeId => notice.notice_id.clone(),
        NoticeMacro::ConversionId => notice.conversion_id.clone(),
        NoticeMacro::Status => notice.status.clone(),
        NoticeMacro::Payout => Micros::new(notice.payout.0).to_string(),
        NoticeMacro::Currency => notice.currency.clone(),
        NoticeMacro::ClickId => notice.click_id.clone(),
        NoticeMacro::Txid => notice.txid.clone(),
        NoticeMacro::LeadId => notice.lead_id.clone(),
        NoticeMacro::PublisherLeadId => notice.publisher_lead_id.clone(),
        NoticeMacro::Publisher => notice.publisher.clone(),
        NoticeMacro::Campaign => notice.campaign.clone(),
        NoticeMacro::Goal => notice.goal.clone(),
        NoticeMacro::Ts => notice.ts.0.div_euclid(1_000_000).to_string(),
        NoticeMacro::Sub(number) => {
            let name = format!("s{number}");
            let found = notice.sub.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        }
    }
}

fn sign(secret: &str, text: &str) -> String {
    // A key of any length is taken.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(text.as_bytes());
    HEXLOWER.encode(&mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use domain::PublisherName;
    use expect_test::{Expect, expect};
    use warehouse::{Money, Time};

    fn check(members: &str, expect: Expect) {
        let text = format!("[publishers.pub]\npostback = {{ {members} }}");
        let snapshot = catalog::load_catalog("c", &text, &BTreeMap::new(), &[]).unwrap();
        let publisher = &snapshot.publishers[&"pub".parse::<PublisherName>().unwrap()];
        let notice = PostbackRow {
            notice_id: "nt_1".into(),
            publisher: "pub".into(),
            status: "approved".into(),
            payout: Money(12_500_000),
            currency: "USD".into(),
            click_id: "ck_1".into(),
            txid: "a&b=c d/\u{e9}?#%".into(),
            sub: vec![("s1".into(), "x+y".into()), ("s10".into(), "ten".into())],
            ts: Time(1_800_000_000_999_999),
            ..PostbackRow::default()
        };
        let now = Timestamp::from_micros(1_800_000_060_000_000);
        let postback = publisher.postback.as_ref().unwrap();
        let Message { target, form } = build(postback, &notice, now);
        let form = form.map_or(String::new(), |form| format!("\n{form}"));
        expect.assert_eq(&format!("{target}{form}"));
    }

    #[test]
    fn macros_are_filled_in_and_cannot_break_out() {
        check(
            r#"url = "https://pub.example/{goal}x/{s1}?cid={click_id}&t={txid}&p={payout}{currency}&st={status}&at={ts}&s={s10}{s2}&n={notice_id}""#,
            expect![
                "/x/x%2By?cid=ck_1&t=a%26b%3Dc%20d%2F%C3%A9%3F%23%25&p=12.50USD&st=approved&at=1800000000&s=ten&n=nt_1"
            ],
        );
        check(r#"url = "https://pub.example/done""#, expect!["/done"]);
    }

    #[test]
    fn the_signature_comes_last_and_signs_all_before_it() {
        const URL: &str =
            r#"url = "https://pub.example/p?c={click_id}", secret = "a-secret-of-pub-1""#;
        check(
            URL,
            expect![
                "/p?c=ck_1&sent_at=1800000060&sig=3bb52d0e148aa403e0e720664e2c3318f906047012aa56b82cd929d9e5b2f137"
            ],
        );
        check(
            &format!("{URL}, method = \"post\""),
            expect![[r#"
                /p
                c=ck_1&sent_at=1800000060&sig=f9fdec85b95614445b91db09ef1a4cec853d943faed824468daa211ebb3c76bc"#]],
        );
        check(
            r#"url = "https://pub.example/p", secret = "a-secret-of-pub-1""#,
            expect![
                "/p?sent_at=1800000060&sig=dde55e40f1c266c24f9a78b4686c3cbe5f677f522ffa3f4e93cae2ad730ae80e"
            ],
        );
        // Another implementation: printf TEXT | openssl dgst -sha256 -hmac KEY.
        assert_eq!(
            sign("key", "The quick brown fox jumps over the lazy dog"),
            "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
        );
    }
}
