//! Consumers: which earlier leads are the same person's, and what that means for a new one. Pure, so
//! that every backend decides alike.
//!
//! A consumer is known by keyed hashes, several to a field (a phone number, and its MD5), apart by
//! campaign; never by anything in clear.

use std::time::Duration;

use domain::{LeadId, LeadStatus, LegState, Timestamp};
use proto::{LeadState, RecordError};

/// A keyed hash of one form of something that identifies a consumer.
pub type ConsumerHash = [u8; 16];

/// What makes two leads the same consumer's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet {
    /// Per field, every form in which the new lead names it.
    pub fields: Vec<Vec<ConsumerHash>>,
    /// Whether all fields have to be shared; else one is enough.
    pub all: bool,
}

impl KeySet {
    /// Whether a lead that is known by these hashes is the same consumer's. A field that the new
    /// lead does not name is shared by nobody.
    pub fn matches(&self, hashes: &[ConsumerHash]) -> bool {
        let mut fields = self.fields.iter();
        let shared = |forms: &Vec<ConsumerHash>| forms.iter().any(|form| hashes.contains(form));
        if self.all {
            !self.fields.is_empty() && fields.all(shared)
        } else {
            fields.any(shared)
        }
    }
}

/// Which earlier leads make a new one a duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Against {
    /// Those that are sold, or may yet be: an unsold one may come again.
    Sold,
    /// Every one that the book ran for.
    All,
}

/// A campaign's rule, for one lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuplicateRule {
    /// Who is the same consumer.
    pub keys: KeySet,
    /// How far it looks back.
    pub window: Duration,
    /// Only leads of this publisher count; none: everybody's.
    pub publisher: Option<String>,
    /// Which of them.
    pub against: Against,
}

/// Where an earlier lead stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// A router works on it.
    InFlight,
    /// Nobody works on it, and it may still be sold: a leg is in doubt.
    Pending,
    /// Sold.
    Sold,
    /// Not, and it never will be.
    Unsold,
}

/// An earlier lead of the same consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// The lead.
    pub lead: LeadId,
    /// Its campaign.
    pub campaign: String,
    /// Who sent it.
    pub publisher: String,
    /// When it came.
    pub at: Timestamp,
    /// How long it is remembered.
    pub until: Timestamp,
    /// Where it stands.
    pub standing: Standing,
    /// By what its consumer is known.
    pub hashes: Vec<ConsumerHash>,
    /// Buyers that have it, or may have.
    pub buyers: Vec<String>,
}

impl Earlier {
    /// As the fold of a lead's records knows it; none for a lead that was not recorded with its
    /// consumer, and for one that never came to the book.
    ///
    /// # Errors
    /// The state holds something that its field cannot mean.
    pub fn of(state: &LeadState) -> Result<Option<Self>, RecordError> {
        let Some(received) = &state.received else {
            return Ok(None);
        };
        let status = state.lead_status()?;
        let refused = matches!(status, LeadStatus::Rejected | LeadStatus::Duplicate);
        if received.consumers.is_empty() || refused {
            return Ok(None);
        }
        let mut buyers = Vec::new();
        let mut in_doubt = false;
        for leg in &state.legs {
            let leg_state = leg.leg_state()?;
            in_doubt |= leg_state == LegState::InDoubt;
            if leg_state != LegState::Rejected && !buyers.contains(&leg.buyer) {
                buyers.push(leg.buyer.clone());
            }
        }
        let standing = match status {
            LeadStatus::Sold => Standing::Sold,
            LeadStatus::Pending if in_doubt || state.ladder_ended => Standing::Pending,
            LeadStatus::Pending => Standing::InFlight,
            _ => Standing::Unsold,
        };
        let hashes = received.consumers.iter().map(|hash| {
            let hash = hash.as_slice().try_into();
            hash.map_err(|_| RecordError::Field("consumers"))
        });
        let at = Timestamp::from_micros(state.received_at_us);
        let remembered = u64::try_from(received.remembered_us).unwrap_or(0);
        Ok(Some(Self {
            lead: state.lead_id()?,
            campaign: received.campaign.clone(),
            publisher: received.publisher.clone(),
            at,
            until: at.plus(Duration::from_micros(remembered)),
            standing,
            hashes: hashes.collect::<Result<_, _>>()?,
            buyers,
        }))
    }
}

/// What a lead says of its consumer when it asks to be admitted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConsumerClaim {
    /// The campaign within which consumers are compared.
    pub campaign: String,
    /// Who sends the lead.
    pub publisher: String,
    /// All hashes by which later leads are to find this one; empty for a campaign that compares none.
    pub hashes: Vec<ConsumerHash>,
    /// What makes it a duplicate.
    pub rules: Vec<DuplicateRule>,
    /// Further key sets under which it waits for a lead in flight: those of buyers' windows.
    pub locks: Vec<KeySet>,
    /// How long it is remembered.
    pub remembered: Duration,
    /// Whether a lead in flight is waited for; else it counts as pending.
    pub patient: bool,
}

/// What the earlier leads of a consumer mean for a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Fresh,
    /// One in flight has to end first.
    Wait(LeadId),
    /// It is a duplicate of this one.
    Duplicate(LeadId),
}

impl ConsumerClaim {
    /// What later leads of the consumer are told of this one, once it is let in.
    pub fn in_flight(&self, lead: LeadId, now: Timestamp) -> Earlier {
        Earlier {
            lead,
            campaign: self.campaign.clone(),
            publisher: self.publisher.clone(),
            at: now,
            until: now.plus(self.remembered),
            standing: Standing::InFlight,
            hashes: self.hashes.clone(),
            buyers: Vec::new(),
        }
    }

    /// What these earlier leads mean at `now`.
    pub fn judge<'e>(
        &self,
        earlier: impl Iterator<Item = &'e Earlier> + Clone,
        now: Timestamp,
    ) -> Verdict {
        let key_sets = || self.rules.iter().map(|rule| &rule.keys).chain(&self.locks);
        if self.patient
            && let Some(first) = earlier.clone().find(|earlier| {
                earlier.standing == Standing::InFlight
                    && key_sets().any(|keys| keys.matches(&earlier.hashes))
            })
        {
            return Verdict::Wait(first.lead);
        }
        let duplicate = earlier.clone().find(|earlier| {
            self.rules.iter().any(|rule| {
                rule.keys.matches(&earlier.hashes)
                    && earlier.at.plus(rule.window) > now
                    && (rule.publisher.as_ref()).is_none_or(|it| *it == earlier.publisher)
                    && (rule.against == Against::All || earlier.standing != Standing::Unsold)
            })
        });
        duplicate.map_or(Verdict::Fresh, |first| Verdict::Duplicate(first.lead))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: ConsumerHash = [1; 16];
    const MD5: ConsumerHash = [2; 16];
    const EMAIL: ConsumerHash = [3; 16];
    const HOUR: Duration = Duration::from_secs(3600);

    fn earlier(standing: Standing) -> Earlier {
        Earlier {
            lead: LeadId::from_bytes([9; 16]),
            campaign: "solar".into(),
            publisher: "pub".into(),
            at: Timestamp::from_micros(0),
            until: Timestamp::from_micros(0).plus(HOUR),
            standing,
            hashes: vec![PHONE, MD5],
            buyers: Vec::new(),
        }
    }

    fn claim(all: bool, against: Against) -> ConsumerClaim {
        ConsumerClaim {
            rules: vec![DuplicateRule {
                keys: KeySet {
                    fields: vec![vec![MD5], vec![EMAIL]],
                    all,
                },
                window: HOUR,
                publisher: None,
                against,
            }],
            patient: true,
            ..ConsumerClaim::default()
        }
    }

    fn judge(claim: &ConsumerClaim, standing: Standing, after: Duration) -> &'static str {
        let now = Timestamp::from_micros(0).plus(after);
        match claim.judge([earlier(standing)].iter(), now) {
            Verdict::Fresh => "fresh",
            Verdict::Wait(_) => "wait",
            Verdict::Duplicate(_) => "duplicate",
        }
    }

    #[test]
    fn fields_window_and_standing_decide() {
        use Standing::{InFlight, Pending, Sold, Unsold};
        let soon = Duration::from_secs(1);
        let any = claim(false, Against::Sold);
        for (standing, expected) in [
            (InFlight, "wait"),
            (Pending, "duplicate"),
            (Sold, "duplicate"),
            (Unsold, "fresh"),
        ] {
            assert_eq!(judge(&any, standing, soon), expected, "{standing:?}");
        }
        assert_eq!(judge(&any, Sold, HOUR), "fresh");
        assert_eq!(judge(&claim(true, Against::Sold), Sold, soon), "fresh");
        assert_eq!(
            judge(&claim(false, Against::All), Unsold, soon),
            "duplicate"
        );
        let mut impatient = any.clone();
        impatient.patient = false;
        assert_eq!(judge(&impatient, InFlight, soon), "duplicate");
        let mut others = any;
        others.rules[0].publisher = Some("another".into());
        assert_eq!(judge(&others, Sold, soon), "fresh");
    }

    #[test]
    fn a_buyers_window_waits_but_makes_no_duplicate() {
        let mut claim = claim(false, Against::Sold);
        claim.locks = claim.rules.drain(..).map(|rule| rule.keys).collect();
        let soon = Duration::from_secs(1);
        assert_eq!(judge(&claim, Standing::InFlight, soon), "wait");
        assert_eq!(judge(&claim, Standing::Sold, soon), "fresh");
    }
}
