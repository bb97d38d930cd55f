//! Identities, what they tell, and nodes, as records.

use domain::{ClickId, VisitorId};
use proto::{
    Follow, Heard as HeardState, JourneyState, LentState, Message as _, OrderClaim, Parted, Party,
    PartyRecord, RecordError, StateRecord, Told, ToldWhat,
};

use super::events::Events;
use super::node::{Heard, Loan, Node, Place, Ties};
use super::set::Set;
use super::{Identity, Person, Telling, What};

fn fixed<const N: usize>(bytes: &[u8], field: &'static str) -> Result<[u8; N], RecordError> {
    bytes.try_into().map_err(|_| RecordError::Field(field))
}

impl Identity {
    /// As a record.
    pub fn record(&self) -> Party {
        let mut party = Party::default();
        match self {
            Self::Visitor(visitor) => party.visitor = visitor.as_bytes().to_vec(),
            Self::Click(click) => party.click = click.as_bytes().to_vec(),
            Self::Person(person) => party.person = person.to_vec(),
            Self::Key(key) => party.key = key.to_vec(),
        }
        party
    }

    fn read(party: Option<&Party>) -> Result<Self, RecordError> {
        let party = party.ok_or(RecordError::Field("party"))?;
        let set = [&party.visitor, &party.click, &party.person, &party.key];
        match set.map(|bytes| bytes.as_slice()) {
            [id, [], [], []] => fixed(id, "visitor")
                .map(VisitorId::from_bytes)
                .map(Self::Visitor),
            [[], id, [], []] => fixed(id, "click").map(ClickId::from_bytes).map(Self::Click),
            [[], [], id, []] => fixed(id, "person").map(Self::Person),
            [[], [], [], id] => fixed(id, "key").map(Self::Key),
            _ => Err(RecordError::Field("party")),
        }
    }
}

impl Telling {
    /// As a record.
    pub fn record(&self) -> Told {
        Told {
            from: Some(self.from.record()),
            to: Some(self.to.record()),
            what: Some(match self.what.clone() {
                What::Follow => ToldWhat::Follow(Follow {}),
                What::Touch(touch) => ToldWhat::Touch(touch),
                What::Person(person) => ToldWhat::Person(person.to_vec()),
                What::Parted => ToldWhat::Parted(Parted {}),
                What::Claim(claim) => ToldWhat::Claim(claim),
                What::Lent(lent) => ToldWhat::Lent(lent),
                What::Clicked(report) => ToldWhat::Clicked(report),
                What::Beside(report) => ToldWhat::Beside(report),
            }),
        }
    }

    /// From a record.
    ///
    /// # Errors
    /// It names nobody, or tells nothing.
    pub fn read(told: &Told, ts_us: i64) -> Result<Self, RecordError> {
        Ok(Self {
            from: Identity::read(told.from.as_ref())?,
            to: Identity::read(told.to.as_ref())?,
            ts_us,
            what: match told.what.clone().ok_or(RecordError::Field("what"))? {
                ToldWhat::Follow(Follow {}) => What::Follow,
                ToldWhat::Touch(touch) => What::Touch(touch),
                ToldWhat::Person(person) => What::Person(fixed(&person, "person")?),
                ToldWhat::Parted(Parted {}) => What::Parted,
                ToldWhat::Claim(claim) => What::Claim(claim),
                ToldWhat::Lent(lent) => What::Lent(lent),
                ToldWhat::Clicked(report) => What::Clicked(report),
                ToldWhat::Beside(report) => What::Beside(report),
            },
        })
    }
}

impl Node {
    /// As a record.
    pub fn record(&self, me: Identity) -> JourneyState {
        let none = Ties::default();
        let ties = self.ties.as_deref().unwrap_or(&none);
        JourneyState {
            identity: Some(me.record()),
            revision: self.revision,
            newest_us: self.newest_us,
            entries: self.own.record(),
            capped: self.capped,
            persons: bytes(&ties.persons),
            absorbed: ties
                .absorbed
                .iter()
                .map(|it| it.as_bytes().to_vec())
                .collect(),
            followers: ties.followers.iter().map(Identity::record).collect(),
            heard: ties
                .heard
                .iter()
                .map(|(from, heard)| HeardState {
                    from: Some(from.record()),
                    touches: heard.touches.record(),
                    persons: bytes(&heard.persons),
                    parted: heard.parted,
                    beside: heard.beside.record(),
                })
                .collect(),
            claims: ties
                .claims
                .iter()
                .map(|(click, place)| claim_record(place, *click))
                .collect(),
            lent: ties
                .lent
                .iter()
                .map(|((order, click), loan)| LentState {
                    order: Some(order.record()),
                    click: click.as_bytes().to_vec(),
                    entries: loan.entries.record(),
                    best: loan
                        .best
                        .as_ref()
                        .map(|(place, click)| claim_record(place, *click)),
                })
                .collect(),
            clicked: ties.clicked.record(),
        }
    }

    /// Adds the bytes of its record.
    pub fn encode(&self, me: Identity, out: &mut Vec<u8>) {
        if self.ties.is_some() {
            let record = self.record(me);
            out.extend_from_slice(&record.encode_to_vec());
            return;
        }
        let state = StateRecord {
            identity: match &me {
                Identity::Visitor(visitor) => PartyRecord::Visitor(visitor.as_bytes()),
                Identity::Click(click) => PartyRecord::Click(click.as_bytes()),
                Identity::Person(person) => PartyRecord::Person(person),
                Identity::Key(key) => PartyRecord::Key(key),
            },
            revision: self.revision,
            newest_us: self.newest_us,
            capped: self.capped,
        };
        state.encode(self.own.records(), out);
    }

    /// From a record.
    ///
    /// # Errors
    /// An id or a hash has the wrong length.
    pub fn read(state: JourneyState) -> Result<(Identity, Self), RecordError> {
        let identity = Identity::read(state.identity.as_ref())?;
        let mut ties = Ties {
            persons: persons(&state.persons)?,
            clicked: Events::read(state.clicked)?,
            ..Ties::default()
        };
        for follower in &state.followers {
            ties.followers.insert(Identity::read(Some(follower))?);
        }
        for heard in state.heard {
            let told = Heard {
                persons: persons(&heard.persons)?,
                touches: Events::read(heard.touches)?,
                parted: heard.parted,
                beside: Events::read(heard.beside)?,
            };
            ties.heard
                .insert(Identity::read(heard.from.as_ref())?, told);
        }
        for click in &state.absorbed {
            ties.absorbed
                .insert(ClickId::from_bytes(fixed(click, "absorbed")?));
        }
        for claim in state.claims {
            let (place, click) = read_claim(claim)?;
            ties.claims.insert(click, place);
        }
        for lent in state.lent {
            let order = Identity::read(lent.order.as_ref())?;
            let click = ClickId::from_bytes(fixed(&lent.click, "click")?);
            let loan = Loan {
                entries: Events::read(lent.entries)?,
                best: lent.best.map(read_claim).transpose()?,
            };
            ties.lent.insert((order, click), loan);
        }
        let node = Self {
            revision: state.revision,
            newest_us: state.newest_us,
            capped: state.capped,
            own: Events::read(state.entries)?,
            ties: (ties != Ties::default()).then(|| Box::new(ties)),
        };
        Ok((identity, node))
    }
}

fn bytes(persons: &Set<Person>) -> Vec<Vec<u8>> {
    persons.iter().map(|person| person.to_vec()).collect()
}

fn persons(bytes: &[Vec<u8>]) -> Result<Set<Person>, RecordError> {
    bytes.iter().map(|person| fixed(person, "person")).collect()
}

fn claim_record((ts_us, id): &Place, click: ClickId) -> OrderClaim {
    OrderClaim {
        ts_us: *ts_us,
        id: id.clone(),
        click: click.as_bytes().to_vec(),
    }
}

fn read_claim(claim: OrderClaim) -> Result<(Place, ClickId), RecordError> {
    let click = ClickId::from_bytes(fixed(&claim.click, "click")?);
    Ok(((claim.ts_us, claim.id), click))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proto::{Conversion, JourneyBody, JourneyEntry, TouchEntry};

    use super::*;
    use crate::{Limits, News};

    const LIMITS: Limits = Limits {
        entries: 3,
        visitors: 2,
        ties: 2,
    };

    fn identity() -> impl Strategy<Value = Identity> {
        prop_oneof![
            any::<[u8; 24]>().prop_map(|id| Identity::Visitor(VisitorId::from_bytes(id))),
            any::<[u8; 24]>().prop_map(|id| Identity::Click(ClickId::from_bytes(id))),
            any::<[u8; 16]>().prop_map(Identity::Person),
            any::<[u8; 16]>().prop_map(Identity::Key),
        ]
    }

    fn event() -> impl Strategy<Value = JourneyEntry> {
        let parts = (
            any::<[u8; 16]>(),
            any::<i64>(),
            0..3,
            "[a-z]{0,2}|[a-z]{130}",
        );
        parts.prop_map(|(id, ts_us, body, text)| JourneyEntry {
            id: id.to_vec(),
            ts_us,
            body: match body {
                0 => None,
                1 => Some(JourneyBody::Touch(TouchEntry {
                    link: text,
                    ..TouchEntry::default()
                })),
                _ => Some(JourneyBody::Conversion(Conversion {
                    goal: text,
                    ..Conversion::default()
                })),
            },
            ..JourneyEntry::default()
        })
    }

    fn news() -> impl Strategy<Value = News> {
        prop_oneof![
            8 => event().prop_map(News::Event),
            1 => any::<[u8; 16]>().prop_map(News::Person),
        ]
    }

    proptest! {
        #[test]
        fn it_is_written_as_its_record_and_read_again(
            me in identity(),
            news in vec(news(), 0..6),
            ts_us in any::<i64>(),
        ) {
            let mut node = Node::default();
            for news in news {
                node.learn(me, ts_us, news, LIMITS);
            }
            let mut out = Vec::new();
            node.encode(me, &mut out);
            prop_assert_eq!(&out, &node.record(me).encode_to_vec());
            let read = Node::read(JourneyState::decode(out.as_slice()).unwrap());
            prop_assert_eq!(read.unwrap(), (me, node));
        }
    }
}
