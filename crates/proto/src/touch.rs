//! The record of a click or an impression, written from parts that somebody else owns: the edge makes
//! one for every redirect and for most events of a batch, and no strings for it.

use std::borrow::Cow;

use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

/// Names and their values, each name once.
pub type Pairs<'a> = &'a [(&'a str, Cow<'a, str>)];

/// Encodes as the `EventRecord` of the same parts does.
#[derive(Debug, Clone, Copy, Default)]
#[expect(missing_docs, reason = "the members of `EventRecord` and `Click`")]
pub struct TouchRecord<'a> {
    pub id: &'a [u8],
    /// When it was received; event time too, unless its sender says when it happened.
    pub at_us: i64,
    pub said_us: Option<i64>,
    pub visitor: &'a [u8],
    /// Empty for an impression.
    pub click_id: &'a [u8],
    pub person: &'a [[u8; 16]],
    pub skew_us: Option<i64>,
    pub named: bool,
    pub link: &'a str,
    pub publisher: &'a str,
    pub offer: &'a str,
    pub campaign: &'a str,
    pub sub: Pairs<'a>,
    pub ad_ids: Pairs<'a>,
    pub landing: &'a str,
    pub referrer: &'a str,
    pub ip_prefix: &'a str,
    pub ip_hash: &'a [u8],
    pub device: &'a str,
    pub os: &'a str,
    pub flags: &'a [&'a str],
    pub source: &'a str,
}

impl TouchRecord<'_> {
    /// The record's bytes.
    pub fn encode_to_vec(&self) -> Vec<u8> {
        let body = self.body_len();
        let tag = if self.click_id.is_empty() { 12 } else { 10 };
        // Exactly as much: who shares it need not move it.
        let len = self.head_len() + message_len(tag, body);
        let mut out = Vec::with_capacity(len);
        bytes(&mut out, 1, self.id);
        number(&mut out, 2, self.said_us.unwrap_or(self.at_us));
        number(&mut out, 3, self.at_us);
        bytes(&mut out, 4, self.visitor);
        bytes(&mut out, 5, self.click_id);
        for hash in self.person {
            bytes(&mut out, 6, hash);
        }
        if let Some(skew) = self.skew_us {
            encode_key(7, WireType::Varint, &mut out);
            encode_varint(skew as u64, &mut out);
        }
        number(&mut out, 8, i64::from(self.named));
        begin(&mut out, tag, body);
        self.texts(|tag, text| bytes(&mut out, tag, text));
        for (tag, pairs) in self.maps() {
            for (name, value) in pairs {
                pair(&mut out, tag, name, value);
            }
        }
        out
    }

    fn head_len(&self) -> usize {
        let ids = [(1, self.id), (4, self.visitor), (5, self.click_id)];
        let persons = self.person.iter().map(|hash| field_len(6, hash));
        ids.map(|(tag, id)| field_len(tag, id))
            .into_iter()
            .chain(persons)
            .sum::<usize>()
            + number_len(2, self.said_us.unwrap_or(self.at_us))
            + number_len(3, self.at_us)
            + self
                .skew_us
                .map_or(0, |skew| key_len(7) + encoded_len_varint(skew as u64))
            + number_len(8, i64::from(self.named))
    }

    /// What a `Click` is made of, but for its maps.
    fn texts(&self, mut each: impl FnMut(u32, &[u8])) {
        each(1, self.link.as_bytes());
        each(2, self.publisher.as_bytes());
        each(3, self.offer.as_bytes());
        each(4, self.campaign.as_bytes());
        each(7, self.landing.as_bytes());
        each(8, self.referrer.as_bytes());
        each(9, self.ip_prefix.as_bytes());
        each(10, self.ip_hash);
        each(11, self.device.as_bytes());
        each(12, self.os.as_bytes());
        for flag in self.flags {
            each(13, flag.as_bytes());
        }
        each(14, self.source.as_bytes());
    }

    fn maps(&self) -> [(u32, Pairs<'_>); 2] {
        [(5, self.sub), (6, self.ad_ids)]
    }

    fn body_len(&self) -> usize {
        let mut len = 0;
        self.texts(|tag, text| len += field_len(tag, text));
        for (tag, pairs) in self.maps() {
            for (name, value) in pairs {
                len += pair_field_len(tag, name, value);
            }
        }
        len
    }
}

fn pair_len(name: &str, value: &str) -> usize {
    field_len(1, name.as_bytes()) + field_len(2, value.as_bytes())
}

pub(crate) fn pair_field_len(tag: u32, name: &str, value: &str) -> usize {
    message_len(tag, pair_len(name, value))
}

/// An entry of a map.
pub(crate) fn pair(out: &mut Vec<u8>, tag: u32, name: &str, value: &str) {
    begin(out, tag, pair_len(name, value));
    bytes(out, 1, name.as_bytes());
    bytes(out, 2, value.as_bytes());
}

/// What is there even if it is empty.
pub(crate) fn message_len(tag: u32, len: usize) -> usize {
    key_len(tag) + encoded_len_varint(len as u64) + len
}

/// An empty one is left out.
pub(crate) fn field_len(tag: u32, text: &[u8]) -> usize {
    match text.len() {
        0 => 0,
        len => message_len(tag, len),
    }
}

/// Key and length of what follows: most often a byte each.
pub(crate) fn begin(out: &mut Vec<u8>, tag: u32, len: usize) {
    match (u8::try_from(tag), u8::try_from(len)) {
        (Ok(tag @ ..16), Ok(len @ ..0x80)) => {
            out.extend_from_slice(&[tag << 3 | WireType::LengthDelimited as u8, len]);
        }
        _ => {
            encode_key(tag, WireType::LengthDelimited, out);
            encode_varint(len as u64, out);
        }
    }
}

pub(crate) fn bytes(out: &mut Vec<u8>, tag: u32, text: &[u8]) {
    if !text.is_empty() {
        begin(out, tag, text.len());
        out.extend_from_slice(text);
    }
}

/// Zero is left out.
pub(crate) fn number_len(tag: u32, number: i64) -> usize {
    match number {
        0 => 0,
        number => key_len(tag) + encoded_len_varint(number as u64),
    }
}

pub(crate) fn number(out: &mut Vec<u8>, tag: u32, number: i64) {
    if number != 0 {
        encode_key(tag, WireType::Varint, out);
        encode_varint(number as u64, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Click, EventBody, EventRecord, Message as _};

    #[test]
    fn it_reads_as_the_record_with_the_same_parts() {
        let long = "x".repeat(300);
        let sub = [("s1", "fb".into()), ("s10", long.into())];
        let whole = TouchRecord {
            id: &[1; 16],
            at_us: 1_800_000_000_000_000,
            said_us: None,
            visitor: &[2; 24],
            click_id: &[3; 24],
            person: &[],
            skew_us: None,
            named: false,
            link: "l",
            publisher: "p",
            offer: "o",
            campaign: "c",
            sub: &sub,
            ad_ids: &[("gclid", "g".into())],
            landing: "https://a.example/",
            referrer: "b.example/x",
            ip_prefix: "203.0.113.0/24",
            ip_hash: &[4; 16],
            device: "mobile",
            os: "ios",
            flags: &["head", "bot"],
            source: "redirect",
        };
        let impression = TouchRecord {
            click_id: &[],
            landing: "",
            flags: &[],
            sub: &[],
            ..whole
        };
        let told = TouchRecord {
            said_us: Some(1_700_000_000_000_000),
            person: &[[5; 16], [6; 16]],
            skew_us: Some(-1),
            named: true,
            ..whole
        };
        let in_step = TouchRecord {
            skew_us: Some(0),
            ..whole
        };
        for touch in [whole, impression, told, in_step, TouchRecord::default()] {
            let text = str::to_owned;
            let pairs = |pairs: Pairs<'_>| {
                let pairs = pairs.iter();
                pairs
                    .map(|(name, value)| (text(name), text(value)))
                    .collect()
            };
            let click = Click {
                link: text(touch.link),
                publisher: text(touch.publisher),
                offer: text(touch.offer),
                campaign: text(touch.campaign),
                sub: pairs(touch.sub),
                ad_ids: pairs(touch.ad_ids),
                landing: text(touch.landing),
                referrer: text(touch.referrer),
                ip_prefix: text(touch.ip_prefix),
                ip_hash: touch.ip_hash.to_vec(),
                device: text(touch.device),
                os: text(touch.os),
                flags: touch.flags.iter().map(|flag| text(flag)).collect(),
                source: text(touch.source),
            };
            let record = EventRecord {
                id: touch.id.to_vec(),
                ts_us: touch.said_us.unwrap_or(touch.at_us),
                received_us: touch.at_us,
                visitor: touch.visitor.to_vec(),
                click_id: touch.click_id.to_vec(),
                person: touch.person.iter().map(|hash| hash.to_vec()).collect(),
                skew_us: touch.skew_us,
                named: touch.named,
                body: Some(match touch.click_id {
                    [] => EventBody::Impression(click),
                    _ => EventBody::Click(click),
                }),
            };
            let read = EventRecord::decode(&*touch.encode_to_vec()).unwrap();
            assert_eq!(read, record);
            let encoded = touch.encode_to_vec();
            assert_eq!(encoded.len(), record.encoded_len());
            assert_eq!(encoded.capacity(), encoded.len(), "as much as it takes");
        }
    }
}
