//! The record of a click as it lies in the log, read in place: a worker reads one for every redirect, and nothing of
//! it is copied but what is kept.

use std::collections::BTreeMap;

use prost::encoding::{WireType, decode_key, decode_varint};

use crate::touch::{self, field_len};
use crate::{Click, EventRecord};

/// Names and their values in ascending order, each name once.
type Pairs<'a> = Vec<(&'a str, &'a str)>;

/// The parts of an `EventRecord` with a `Click` or an impression.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(missing_docs, reason = "the members of `EventRecord` and `Click`")]
pub struct ClickRead<'a> {
    pub id: &'a [u8],
    pub ts_us: i64,
    pub received_us: i64,
    pub visitor: &'a [u8],
    pub click_id: &'a [u8],
    pub person: Vec<&'a [u8]>,
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
    pub flags: Vec<&'a str>,
    pub source: &'a str,
}

impl<'a> ClickRead<'a> {
    /// Reads the record of a click. None for any other, and for one that is not as this version writes it: what that
    /// is says [`EventRecord`].
    pub fn read(mut record: &'a [u8]) -> Option<Self> {
        let mut read = Self::default();
        let mut click = None;
        while !record.is_empty() {
            match decode_key(&mut record).ok()? {
                (1, WireType::LengthDelimited) => read.id = bytes(&mut record)?,
                (2, WireType::Varint) => read.ts_us = number(&mut record)?,
                (3, WireType::Varint) => read.received_us = number(&mut record)?,
                (4, WireType::LengthDelimited) => read.visitor = bytes(&mut record)?,
                (5, WireType::LengthDelimited) => read.click_id = bytes(&mut record)?,
                (6, WireType::LengthDelimited) => read.person.push(bytes(&mut record)?),
                (7, WireType::Varint) => read.skew_us = Some(number(&mut record)?),
                (8, WireType::Varint) => read.named = number(&mut record)? != 0,
                (10, WireType::LengthDelimited) if click.is_none() => {
                    click = Some(bytes(&mut record)?);
                }
                _ => return None,
            }
        }
        read.body(click?)?;
        Some(read)
    }

    fn body(&mut self, mut click: &'a [u8]) -> Option<()> {
        while !click.is_empty() {
            let (tag, WireType::LengthDelimited) = decode_key(&mut click).ok()? else {
                return None;
            };
            let of_it = bytes(&mut click)?;
            let text = || std::str::from_utf8(of_it).ok();
            match tag {
                1 => self.link = text()?,
                2 => self.publisher = text()?,
                3 => self.offer = text()?,
                4 => self.campaign = text()?,
                5 => self.sub.push(pair(of_it)?),
                6 => self.ad_ids.push(pair(of_it)?),
                7 => self.landing = text()?,
                8 => self.referrer = text()?,
                9 => self.ip_prefix = text()?,
                10 => self.ip_hash = of_it,
                11 => self.device = text()?,
                12 => self.os = text()?,
                13 => self.flags.push(text()?),
                14 => self.source = text()?,
                _ => return None,
            }
        }
        sort(&mut self.sub)?;
        sort(&mut self.ad_ids)
    }

    /// The parts of a record that somebody has read already.
    pub fn of(event: &'a EventRecord, click: &'a Click) -> Self {
        Self {
            id: &event.id,
            ts_us: event.ts_us,
            received_us: event.received_us,
            visitor: &event.visitor,
            click_id: &event.click_id,
            person: event.person.iter().map(Vec::as_slice).collect(),
            skew_us: event.skew_us,
            named: event.named,
            link: &click.link,
            publisher: &click.publisher,
            offer: &click.offer,
            campaign: &click.campaign,
            sub: pairs(&click.sub),
            ad_ids: pairs(&click.ad_ids),
            landing: &click.landing,
            referrer: &click.referrer,
            ip_prefix: &click.ip_prefix,
            ip_hash: &click.ip_hash,
            device: &click.device,
            os: &click.os,
            flags: click.flags.iter().map(String::as_str).collect(),
            source: &click.source,
        }
    }

    /// Whether nobody is ever credited for it.
    pub fn is_flagged(&self) -> bool {
        !self.flags.is_empty()
    }

    /// What a journey keeps of it: the bytes of its `JourneyEntry`, without id, time and visitor, which are kept
    /// beside it.
    pub fn kept(&self) -> Vec<u8> {
        let texts = [(1, self.publisher), (2, self.link), (3, self.campaign)];
        let lengths = texts.map(|(tag, text)| field_len(tag, text.as_bytes()));
        let flagged = i64::from(self.is_flagged());
        let sub = self.sub.iter();
        let sub = sub.map(|(name, value)| touch::pair_field_len(6, name, value));
        let body =
            lengths.into_iter().sum::<usize>() + touch::number_len(4, flagged) + sub.sum::<usize>();
        let named = i64::from(self.named);
        let whole = field_len(3, self.click_id)
            + touch::number_len(5, named)
            + touch::message_len(10, body);
        let mut out = Vec::with_capacity(whole);
        touch::bytes(&mut out, 3, self.click_id);
        touch::number(&mut out, 5, named);
        touch::begin(&mut out, 10, body);
        for (tag, text) in texts {
            touch::bytes(&mut out, tag, text.as_bytes());
        }
        touch::number(&mut out, 4, flagged);
        for (name, value) in &self.sub {
            touch::pair(&mut out, 6, name, value);
        }
        out
    }
}

fn number(record: &mut &[u8]) -> Option<i64> {
    decode_varint(record).ok().map(|number| number as i64)
}

fn bytes<'a>(record: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(decode_varint(record).ok()?).ok()?;
    record.split_off(..length)
}

fn pair(mut entry: &[u8]) -> Option<(&str, &str)> {
    let (mut name, mut value) = ("", "");
    while !entry.is_empty() {
        let (tag, WireType::LengthDelimited) = decode_key(&mut entry).ok()? else {
            return None;
        };
        let text = std::str::from_utf8(bytes(&mut entry)?).ok()?;
        match tag {
            1 => name = text,
            2 => value = text,
            _ => return None,
        }
    }
    Some((name, value))
}

/// None if a name is there twice.
fn sort(pairs: &mut Pairs<'_>) -> Option<()> {
    pairs.sort_unstable();
    let twice = pairs
        .windows(2)
        .any(|two| matches!(two, [one, two] if one.0 == two.0));
    (!twice).then_some(())
}

fn pairs(map: &BTreeMap<String, String>) -> Pairs<'_> {
    let pairs = map.iter();
    pairs
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::option;
    use proptest::prelude::*;

    use super::*;
    use crate::{EventBody, JourneyBody, JourneyEntry, Message as _, TouchEntry};

    fn texts() -> impl Strategy<Value = BTreeMap<String, String>> {
        btree_map("[a-zß]{0,2}", "[a-zß]{0,2}|[a-z]{120,135}", 0..4)
    }

    fn click() -> impl Strategy<Value = Click> {
        let text = "[a-zß]{0,2}|[a-z]{120,135}";
        let flags = vec("[a-z]{0,2}", 0..3);
        let parts = (vec(text, 10), texts(), texts(), any::<Vec<u8>>(), flags);
        parts.prop_map(|(texts, sub, ad_ids, ip_hash, flags)| {
            let mut texts = texts.into_iter();
            let mut text = || texts.next().unwrap();
            Click {
                link: text(),
                publisher: text(),
                offer: text(),
                campaign: text(),
                sub,
                ad_ids,
                landing: text(),
                referrer: text(),
                ip_prefix: text(),
                ip_hash,
                device: text(),
                os: text(),
                flags,
                source: text(),
            }
        })
    }

    fn record() -> impl Strategy<Value = EventRecord> {
        let id = || vec(any::<u8>(), 0..4);
        let ids = (id(), id(), id(), vec(id(), 0..3));
        let numbers = (any::<[i64; 2]>(), option::of(any::<i64>()), any::<bool>());
        (ids, numbers, click()).prop_map(|(ids, numbers, click)| {
            let (id, visitor, click_id, person) = ids;
            let ([ts_us, received_us], skew_us, named) = numbers;
            EventRecord {
                id,
                ts_us,
                received_us,
                visitor,
                click_id,
                person,
                skew_us,
                named,
                body: Some(EventBody::Click(click)),
            }
        })
    }

    fn of(record: &EventRecord) -> Option<ClickRead<'_>> {
        match &record.body {
            Some(EventBody::Click(click)) => Some(ClickRead::of(record, click)),
            _ => None,
        }
    }

    proptest! {
        #[test]
        fn what_is_read_in_place_is_what_is_read_otherwise(record in record()) {
            let bytes = record.encode_to_vec();
            prop_assert_eq!(ClickRead::read(&bytes), of(&record));
        }

        /// It may leave a damaged record to others, and does not read it differently.
        #[test]
        fn a_damaged_record_reads_alike_or_not_at_all(
            record in record(),
            damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let mut bytes = record.encode_to_vec();
            for (at, byte) in damage {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Some(read) = ClickRead::read(&bytes) {
                let record = EventRecord::decode(bytes.as_slice()).unwrap();
                prop_assert_eq!(Some(read), of(&record));
            }
        }

        #[test]
        fn what_is_kept_is_the_entry_without_what_is_kept_beside(record in record()) {
            let read = of(&record).unwrap();
            let Some(EventBody::Click(click)) = &record.body else { unreachable!() };
            let entry = JourneyEntry {
                click_id: record.click_id.clone(),
                named: record.named,
                body: Some(JourneyBody::Touch(TouchEntry {
                    publisher: click.publisher.clone(),
                    link: click.link.clone(),
                    campaign: click.campaign.clone(),
                    flagged: !click.flags.is_empty(),
                    view: false,
                    sub: click.sub.clone(),
                })),
                ..JourneyEntry::default()
            };
            let kept = read.kept();
            prop_assert_eq!(&kept, &entry.encode_to_vec());
            prop_assert_eq!(kept.capacity(), kept.len(), "as much as it takes");
        }
    }
}
