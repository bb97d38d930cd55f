//! How a publisher is told of its conversions: a URL with macros.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::ConversionStatus;
use url::Url;

use crate::Secret;

/// A publisher's postback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostbackOut {
    /// Where it goes. Scheme, host and port are literal text.
    pub url: NoticeUrl,
    /// How.
    pub method: NoticeMethod,
    /// The key of its signatures; none: it is not signed.
    pub secret: Option<Secret<String>>,
    /// The statuses that are told.
    pub on: BTreeSet<ConversionStatus>,
    /// How many are sent at a time.
    pub connections: usize,
    /// How long the answer is waited for.
    pub timeout: Duration,
}

/// How parameters travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeMethod {
    /// In the query.
    Get,
    /// As a form in the body.
    Post,
}

/// A URL, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeUrl {
    /// Of this origin.
    pub origin: Url,
    /// Path and query: text and macros in turn.
    pub pieces: Vec<NoticePiece>,
}

/// A part of path and query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoticePiece {
    /// Copied as it is.
    Text(String),
    /// Replaced, URL-encoded.
    Macro(NoticeMacro),
}

/// What a publisher can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeMacro {
    /// `{notice_id}`: one for each change, the same in every attempt.
    NoticeId,
    /// `{conversion_id}`.
    ConversionId,
    /// `{status}`: `pending`, `approved`, `held`, `rejected` or `reversed`.
    Status,
    /// `{payout}`: decimal; 0 once rejected or reversed.
    Payout,
    /// `{currency}`.
    Currency,
    /// `{click_id}`: of the click that is paid; empty if none is.
    ClickId,
    /// `{txid}`: the order; a lead's id for a lead.
    Txid,
    /// `{lead_id}`: empty if no lead was sold.
    LeadId,
    /// `{publisher_lead_id}`: as the publisher posted it.
    PublisherLeadId,
    /// `{publisher}`.
    Publisher,
    /// `{campaign}`.
    Campaign,
    /// `{goal}`.
    Goal,
    /// `{ts}`: the conversion's time, seconds since 1970.
    Ts,
    /// `{s1}` to `{s10}`: the sub ids of the click, or of the lead.
    Sub(u8),
}

/// All macros but the sub ids.
const MACROS: [(&str, NoticeMacro); 13] = [
    ("notice_id", NoticeMacro::NoticeId),
    ("conversion_id", NoticeMacro::ConversionId),
    ("status", NoticeMacro::Status),
    ("payout", NoticeMacro::Payout),
    ("currency", NoticeMacro::Currency),
    ("click_id", NoticeMacro::ClickId),
    ("txid", NoticeMacro::Txid),
    ("lead_id", NoticeMacro::LeadId),
    ("publisher_lead_id", NoticeMacro::PublisherLeadId),
    ("publisher", NoticeMacro::Publisher),
    ("campaign", NoticeMacro::Campaign),
    ("goal", NoticeMacro::Goal),
    ("ts", NoticeMacro::Ts),
];

impl NoticeMacro {
    fn read(name: &str) -> Result<Self, String> {
        let sub = name
            .strip_prefix('s')
            .filter(|digits| !digits.starts_with(['0', '+']))
            .and_then(|digits| digits.parse().ok())
            .filter(|n| (1..=10).contains(n));
        if let Some(n) = sub {
            return Ok(Self::Sub(n));
        }
        let known = MACROS.into_iter().find(|(known, _)| *known == name);
        known.map(|(_, known)| known).ok_or_else(|| {
            let names = MACROS.map(|(known, _)| known);
            let hint = crate::suggest::closest(name, names).map_or_else(
                || format!("those are {} and s1 to s10", names.join(", ")),
                |known| format!("did you mean `{{{known}}}`?"),
            );
            format!("`{{{name}}}` is no macro of a postback: {hint}")
        })
    }
}

impl NoticeUrl {
    /// Takes a URL apart.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut sample = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) = after
                .split_once('}')
                .ok_or_else(|| format!("`{{{after}` does not end with `}}`"))?;
            let read = NoticeMacro::read(name)?;
            push_text(&mut pieces, before);
            pieces.push(NoticePiece::Macro(read));
            sample.push_str(before);
            sample.push('0');
            rest = behind;
        }
        push_text(&mut pieces, rest);
        sample.push_str(rest);

        let mut origin = crate::units::web_url(&sample)?;
        if origin.fragment().is_some() {
            return Err("a fragment is not sent".to_owned());
        }
        origin.set_path("");
        origin.set_query(None);
        // What is before the path is literal, spelled as it is called.
        let literal = origin.origin().ascii_serialization();
        let first = match pieces.first_mut() {
            Some(NoticePiece::Text(first)) => first,
            _ => return Err("scheme and host hold no macro".to_owned()),
        };
        let path = first
            .strip_prefix(&literal)
            .filter(|path| path.starts_with(['/', '?']))
            .ok_or_else(|| format!("expected `{literal}/` and no macro before it"))?;
        *first = if path.starts_with('?') {
            format!("/{path}")
        } else {
            path.to_owned()
        };
        // What is sent has to be sendable: nothing is encoded but the values of macros.
        let odd =
            |c: char| !c.is_ascii_graphic() || matches!(c, '"' | '<' | '>' | '\\' | '^' | '`');
        if let Some(odd) = sample.chars().find(|c| odd(*c)) {
            return Err(format!("`{odd}` has to be URL-encoded"));
        }
        Ok(Self { origin, pieces })
    }
}

fn push_text(pieces: &mut Vec<NoticePiece>, text: &str) {
    if !text.is_empty() {
        pieces.push(NoticePiece::Text(text.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_behind_its_origin() {
        let url = NoticeUrl::read("https://pub.example:8443?c={s1}&p={payout}").unwrap();
        assert_eq!(url.origin.as_str(), "https://pub.example:8443/");
        assert_eq!(
            url.pieces,
            [
                NoticePiece::Text("/?c=".to_owned()),
                NoticePiece::Macro(NoticeMacro::Sub(1)),
                NoticePiece::Text("&p=".to_owned()),
                NoticePiece::Macro(NoticeMacro::Payout),
            ]
        );
        assert!(NoticeUrl::read("http://[::1]:80/{goal}/x").is_err());
        assert!(NoticeUrl::read("http://[::1]:8080/{goal}/x").is_ok());
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        for (bad, why) in [
            ("https://{s1}.example/", "expected"),
            ("https://pub.example{s1}", "expected"),
            ("{click_id}", "expected a URL"),
            ("https://pub.example", "expected `https://pub.example/`"),
            ("https://PUB.example/", "expected `https://pub.example/`"),
            ("https://user@pub.example/", "user"),
            ("ftp://pub.example/", "http"),
            (
                "https://pub.example/?a={clickid}",
                "did you mean `{click_id}`",
            ),
            ("https://pub.example/?a={s11}", "is no macro"),
            ("https://pub.example/?a={", "does not end"),
            ("https://pub.example/?a b={s1}", "URL-encoded"),
            ("https://pub.example/?a=é", "URL-encoded"),
            ("https://pub.example/#{s1}", "fragment"),
        ] {
            let error = NoticeUrl::read(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
