//! What scripts say of leads and consumers, read.

use std::str;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use domain::{LeadId, Timestamp};
use proto::{LeadState, Message as _, RecordError};
use redis::{FromRedisValue, ParsingError, Value, from_redis_value};
use store::{ConsumerHash, Earlier, LeadView, Standing, StoreError};

/// Of an earlier lead: the lead and seven fields.
const FIELDS: usize = 8;
/// Digits of a consumer's hash.
const DIGITS: usize = 32;

/// A script's answer that begins with a word.
#[derive(Debug)]
pub(super) struct Reply(Vec<Value>);

impl FromRedisValue for Reply {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        Vec::from_redis_value(value).map(Self)
    }
}

impl Reply {
    /// The word it begins with.
    pub(super) fn word(&self) -> Result<&str, StoreError> {
        self.text(0)
    }

    /// A word behind it.
    pub(super) fn text(&self, at: usize) -> Result<&str, StoreError> {
        match self.0.get(at) {
            Some(Value::BulkString(word)) => text(word),
            _ => Err(self.unexpected()),
        }
    }

    /// A list behind it; empty where there is none.
    pub(super) fn list(&self, at: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let Some(list) = self.0.get(at) else {
            return Ok(Vec::new());
        };
        from_redis_value(list.clone()).map_err(|_| self.unexpected())
    }

    pub(super) fn unexpected(&self) -> StoreError {
        StoreError::Corrupt("a script of claims said something unexpected".to_owned())
    }
}

pub(super) fn text(bytes: &[u8]) -> Result<&str, StoreError> {
    str::from_utf8(bytes).map_err(|_| StoreError::Corrupt("not text".to_owned()))
}

pub(super) fn number<T: str::FromStr>(bytes: &[u8]) -> Result<T, StoreError> {
    let number = text(bytes)?.parse();
    number.map_err(|_| StoreError::Corrupt("not a number".to_owned()))
}

pub(super) fn lead(bytes: &[u8]) -> Result<LeadId, StoreError> {
    let lead = text(bytes)?.parse();
    lead.map_err(|_| StoreError::Corrupt("not a lead".to_owned()))
}

/// A lead, its state and its answer; nothing of one that is not known.
pub(super) fn view(said: &[Vec<u8>]) -> Result<Option<LeadView>, StoreError> {
    let [lead, state, answer] = said else {
        return Ok(None);
    };
    let state = match state.is_empty() {
        true => None,
        false => {
            let state = LeadState::decode(state.as_slice());
            Some(Arc::new(state.map_err(RecordError::from)?))
        }
    };
    Ok(Some(LeadView {
        lead: self::lead(lead)?,
        state,
        answer: (!answer.is_empty()).then(|| answer.as_slice().into()),
    }))
}

/// Hashes as scripts read them.
pub(super) fn joined(hashes: &[ConsumerHash]) -> String {
    hashes.iter().map(|hash| HEXLOWER.encode(hash)).collect()
}

/// Earlier leads, oldest first.
pub(super) fn earlier(said: &[Vec<u8>]) -> Result<Vec<Earlier>, StoreError> {
    let each = said.chunks_exact(FIELDS).map(one);
    let mut earlier = each.collect::<Result<Vec<_>, _>>()?;
    earlier.sort_unstable_by_key(|earlier| earlier.lead);
    Ok(earlier)
}

fn one(said: &[Vec<u8>]) -> Result<Earlier, StoreError> {
    let [
        lead,
        campaign,
        publisher,
        at,
        until,
        standing,
        hashes,
        buyers,
    ] = said
    else {
        return Err(StoreError::Corrupt("half a consumer".to_owned()));
    };
    let of_hash = |digits: &[u8]| {
        let bytes = HEXLOWER.decode(digits).ok();
        let hash = bytes.and_then(|bytes| bytes.try_into().ok());
        hash.ok_or_else(|| StoreError::Corrupt("no hash of a consumer".to_owned()))
    };
    let buyers = text(buyers)?.split(',').filter(|buyer| !buyer.is_empty());
    Ok(Earlier {
        lead: self::lead(lead)?,
        campaign: text(campaign)?.to_owned(),
        publisher: text(publisher)?.to_owned(),
        at: Timestamp::from_micros(number(at)?),
        until: Timestamp::from_micros(number(until)?),
        standing: standing_of(text(standing)?)?,
        hashes: hashes
            .chunks(DIGITS)
            .map(of_hash)
            .collect::<Result<_, _>>()?,
        buyers: buyers.map(str::to_owned).collect(),
    })
}

/// The word for where a lead stands.
pub(super) const fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::InFlight => "in_flight",
        Standing::Pending => "pending",
        Standing::Sold => "sold",
        Standing::Unsold => "unsold",
    }
}

fn standing_of(word: &str) -> Result<Standing, StoreError> {
    use Standing::{InFlight, Pending, Sold, Unsold};
    let mut all = [InFlight, Pending, Sold, Unsold].into_iter();
    let found = all.find(|it| standing(*it) == word);
    found.ok_or_else(|| StoreError::Corrupt("a lead stands nowhere".to_owned()))
}
