//! The fence: what a lead claims, all or nothing.
//!
//! A lead that compares consumers is judged first, by what is known of them, in one script; a second one
//! claims, if that has not changed. Who was overtaken judges again.

use std::time::Duration;

use data_encoding::HEXLOWER;
use domain::Timestamp;
use store::{Admission, AdmitRequest, StoreError, Verdict};

use super::read::{self, Reply};
use super::{Inner, TRIES, contended, key_name};
use crate::script;

/// What a lead's consumer means for it.
enum Judged {
    /// It may go on, as long as its earlier leads amount to this.
    Fresh(String),
    /// It is a duplicate, likewise.
    Duplicate(String),
    /// There is nothing to be judged, or no more.
    Said(Admission),
}

impl Inner {
    pub(super) async fn admit(&self, request: &AdmitRequest) -> Result<Admission, StoreError> {
        for _ in 0..TRIES {
            let (judged, duplicate) = match self.judge(request).await? {
                Judged::Fresh(judged) => (judged, ""),
                Judged::Duplicate(judged) => (judged, "duplicate"),
                Judged::Said(admission) => return Ok(admission),
            };
            if let Some(admission) = self.claim(request, &judged, duplicate).await? {
                return Ok(admission);
            }
        }
        Err(contended())
    }

    async fn judge(&self, request: &AdmitRequest) -> Result<Judged, StoreError> {
        let claim = &request.consumer;
        if claim.hashes.is_empty() {
            return Ok(Judged::Fresh(String::new()));
        }
        let (key, digest) = (key_name(&request.key), HEXLOWER.encode(&request.digest));
        let (lead, hashes) = (request.lead.to_string(), read::joined(&claim.hashes));
        let said = self.call(&script::LOOK, |command| {
            command.arg(&key).arg(&digest).arg(&lead);
            command.arg(&claim.campaign).arg(&hashes);
        });
        let said: Reply = said.await?;
        Ok(match said.word()? {
            "judge" => {
                let earlier = read::earlier(&said.list(1)?)?;
                let now = Timestamp::from_micros(read::number(said.text(2)?.as_bytes())?);
                let judged = said.text(3)?.to_owned();
                match claim.judge(earlier.iter(), now) {
                    Verdict::Fresh => Judged::Fresh(judged),
                    Verdict::Duplicate(_) => Judged::Duplicate(judged),
                    Verdict::Wait(first) => {
                        Judged::Said(Admission::Busy(self.view_of(first).await?))
                    }
                }
            }
            _ => Judged::Said(admission(&said)?.ok_or_else(|| said.unexpected())?),
        })
    }

    /// Claims everything, if what it was judged by is still so.
    async fn claim(
        &self,
        request: &AdmitRequest,
        judged: &str,
        duplicate: &str,
    ) -> Result<Option<Admission>, StoreError> {
        let claim = &request.consumer;
        let (key, digest) = (key_name(&request.key), HEXLOWER.encode(&request.digest));
        let (lead, hashes) = (request.lead.to_string(), read::joined(&claim.hashes));
        let quote = request.quote.map(|quote| quote.to_string());
        let made = request.quote.map_or(0, |quote| quote.time().as_micros());
        let said = self.call(&script::ADMIT, |command| {
            command.arg(&key).arg(&digest).arg(&lead);
            command.arg(quote.as_deref().unwrap_or_default());
            command.arg(micros(request.lease));
            command.arg(&claim.campaign).arg(&hashes);
            command.arg(&claim.publisher).arg(micros(claim.remembered));
            command.arg(judged).arg(duplicate).arg(made);
        });
        let said: Reply = said.await?;
        match said.word()? {
            "again" => Ok(None),
            _ => admission(&said)?.map(Some).ok_or_else(|| said.unexpected()),
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What the fence said.
fn admission(said: &Reply) -> Result<Option<Admission>, StoreError> {
    let list = said.list(1)?;
    let lead = || list.first().map(|lead| read::lead(lead)).transpose();
    Ok(match said.word()? {
        "conflict" => Some(Admission::Conflict),
        "used" => Some(Admission::QuoteUsed),
        "void" => Some(Admission::QuoteVoid),
        "held" => read::view(&list)?.map(Admission::Held),
        "granted" => lead()?.map(Admission::Granted),
        "duplicate" => lead()?.map(Admission::Duplicate),
        _ => None,
    })
}
