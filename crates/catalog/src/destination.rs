//! A link's destination: a URL of its offer with macros.

use url::Url;

/// A destination, taken apart: where the edge puts what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Text and macros in turn.
    pub pieces: Vec<Piece>,
    /// Where it leads, without its query: a macro's value may be personal and shows as `{}`.
    pub landing: String,
}

/// A part of a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Copied as it is.
    Text(String),
    /// Replaced, URL-encoded.
    Macro(Macro),
}

/// What a macro stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Macro {
    /// `{click_id}`: the id of the click being made.
    ClickId,
    /// `{publisher}`: the link's publisher.
    Publisher,
    /// `{campaign}`: the offer's campaign.
    Campaign,
    /// `{s1}` to `{s10}`: a sub id, 1 to 10.
    Sub(u8),
    /// `{ip_hash}`: keyed hash of the address.
    IpHash,
    /// `{ts}`: the click's time, milliseconds since 1970.
    Ts,
    /// `{rand}`: a random number, against caches.
    Rand,
    /// Any other name: the query parameter of that name, empty if there is none.
    Param(String),
}

impl Macro {
    fn read(name: &str) -> Option<Self> {
        let sub = name
            .strip_prefix('s')
            .filter(|digits| !digits.starts_with(['0', '+']))
            .and_then(|digits| digits.parse().ok())
            .filter(|n| (1..=10).contains(n));
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        match name {
            "click_id" => Some(Self::ClickId),
            "publisher" => Some(Self::Publisher),
            "campaign" => Some(Self::Campaign),
            "ip_hash" => Some(Self::IpHash),
            "ts" => Some(Self::Ts),
            "rand" => Some(Self::Rand),
            "" => None,
            other => match sub {
                Some(n) => Some(Self::Sub(n)),
                None => (other.len() <= 64 && other.chars().all(plain))
                    .then(|| Self::Param(other.to_owned())),
            },
        }
    }
}

/// Longest landing page that is recorded.
const LANDING_BYTES: usize = 512;

fn landing(pieces: &[Piece]) -> String {
    let mut text = String::new();
    for piece in pieces {
        let (part, ends) = match piece {
            Piece::Text(part) => match part.split_once(['?', '#']) {
                Some((part, _)) => (part, true),
                None => (part.as_str(), false),
            },
            Piece::Macro(_) => ("{}", false),
        };
        text.push_str(part);
        if ends {
            break;
        }
    }
    text.truncate(text.floor_char_boundary(LANDING_BYTES));
    text
}

impl Destination {
    /// Takes a destination apart. It has to lead to one of the landing pages: scheme and host are
    /// literal text, so that nobody can turn a link into an open redirect.
    pub(crate) fn read(text: &str, landing_pages: &[Url]) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) = after
                .split_once('}')
                .ok_or_else(|| format!("`{{{after}` does not end with `}}`"))?;
            let parsed = Macro::read(name).ok_or_else(|| format!("`{{{name}}}` is no macro"))?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(Piece::Macro(parsed));
            rest = behind;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        let landing = landing(&pieces);
        let destination = Self { pieces, landing };
        if destination.leads_to_one_of(landing_pages) {
            Ok(destination)
        } else {
            Err(
                "does not lead to a landing page of its offer (same origin, same path or below)"
                    .to_owned(),
            )
        }
    }

    fn leads_to_one_of(&self, landing_pages: &[Url]) -> bool {
        let Some(Piece::Text(literal)) = self.pieces.first() else {
            return false;
        };
        let sample: String = self
            .pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.as_str(),
                Piece::Macro(_) => "0",
            })
            .collect();
        let Ok(url) = Url::parse(&sample) else {
            return false;
        };
        landing_pages.iter().any(|page| {
            let origin = page.origin().ascii_serialization();
            let behind = literal.strip_prefix(&origin);
            let ends =
                behind.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']));
            // An origin at the end of the literal text would go on with a macro.
            let whole = behind != Some("") || self.pieces.len() == 1;
            let below = url.path().strip_prefix(page.path()).is_some_and(|rest| {
                rest.is_empty() || rest.starts_with('/') || page.path().ends_with('/')
            });
            ends && whole && url.origin() == page.origin() && below
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Destination, String> {
        let pages = ["https://quotes.example/auto"].map(|page| Url::parse(page).unwrap());
        Destination::read(text, &pages)
    }

    #[test]
    fn macros_are_taken_apart() {
        let destination =
            read("https://quotes.example/auto?c={click_id}&a={s10}{gclid}&s={s11}").unwrap();
        assert_eq!(
            destination.pieces,
            [
                Piece::Text("https://quotes.example/auto?c=".to_owned()),
                Piece::Macro(Macro::ClickId),
                Piece::Text("&a=".to_owned()),
                Piece::Macro(Macro::Sub(10)),
                Piece::Macro(Macro::Param("gclid".to_owned())),
                Piece::Text("&s=".to_owned()),
                Piece::Macro(Macro::Param("s11".to_owned())),
            ]
        );
    }

    #[test]
    fn only_landing_pages_are_led_to() {
        for good in [
            "https://quotes.example/auto",
            "https://quotes.example/auto/{s1}/x?y#z",
        ] {
            assert!(read(good).is_ok(), "{good}");
        }
        for bad in [
            "https://quotes.example",
            "https://quotes.example/automatic",
            "https://quotes.example/auto/../other",
            "https://quotes.example.evil.example/auto",
            "https://quotes.example{s1}/auto",
            "https://quotes.example:{s1}/auto",
            "https://quotes.example@evil.example/auto",
            "https://{s1}/auto",
            "{dest}",
            "http://quotes.example/auto",
            "https://quotes.example/auto?x={",
            "https://quotes.example/auto?x={}",
            "https://quotes.example/auto?x={a b}",
            "",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
