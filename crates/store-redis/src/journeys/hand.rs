//! The nodes of one batch: as they were read, as they are by now, and what has to be written of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use data_encoding::HEXLOWER;
use domain::{ClickId, VisitorId};
use proto::{JourneyState, Message as _};
use redis::Cmd;
use store::journeys::Nodes;
use store::{Identity, Node, StoreError};

use super::Reach;

/// An identity's name in Redis.
pub(super) fn name(identity: Identity) -> String {
    let (kind, id) = match &identity {
        Identity::Visitor(visitor) => ('v', &visitor.as_bytes()[..]),
        Identity::Click(click) => ('c', &click.as_bytes()[..]),
        Identity::Person(person) => ('p', &person[..]),
        Identity::Key(key) => ('k', &key[..]),
    };
    format!("{kind}{}", HEXLOWER.encode(id))
}

/// A click's.
pub(super) fn click_name(click: ClickId) -> String {
    HEXLOWER.encode(click.as_bytes())
}

/// A visitor by its name.
fn visitor(name: &[u8]) -> Result<VisitorId, StoreError> {
    let id = name.strip_prefix(b"v");
    let id = id.and_then(|id| HEXLOWER.decode(id).ok());
    let id = id.and_then(|id| id.try_into().ok());
    id.map(VisitorId::from_bytes)
        .ok_or_else(|| StoreError::Corrupt("a click is of no visitor".to_owned()))
}

/// A node as it is kept, and whose it is.
pub(super) fn read(kept: &[u8]) -> Result<(Identity, Node), StoreError> {
    let state = JourneyState::decode(kept).map_err(proto::RecordError::from)?;
    Ok(Node::read(state)?)
}

#[derive(Default)]
struct Slot {
    node: Node,
    /// As it was read; empty if nothing was known.
    was: Vec<u8>,
}

pub(super) struct Hand {
    turn: String,
    nodes: BTreeMap<Identity, Slot>,
    gone: BTreeSet<Identity>,
    /// Of whom each click is, also of nobody.
    clicks: BTreeMap<ClickId, Option<VisitorId>>,
    clicked: BTreeMap<ClickId, VisitorId>,
}

impl Hand {
    pub(super) fn new(turn: String) -> Self {
        Self {
            turn,
            nodes: BTreeMap::new(),
            gone: BTreeSet::new(),
            clicks: BTreeMap::new(),
            clicked: BTreeMap::new(),
        }
    }

    /// Whose a click was, and what was known of that visitor.
    pub(super) fn click(
        &mut self,
        click: ClickId,
        owner: &[u8],
        node: Vec<u8>,
    ) -> Result<(), StoreError> {
        let owner = match owner {
            [] => None,
            owner => Some(visitor(owner)?),
        };
        self.clicks.insert(click, owner);
        match owner {
            Some(owner) => self.known(Identity::Visitor(owner), node),
            None => Ok(()),
        }
    }

    /// What was known of an identity.
    pub(super) fn known(&mut self, identity: Identity, was: Vec<u8>) -> Result<(), StoreError> {
        let mut node = Node::default();
        if !was.is_empty() {
            (_, node) = read(&was)?;
        }
        self.nodes.insert(identity, Slot { node, was });
        Ok(())
    }

    /// What writing it takes: what has changed, and up to where in the log that reaches.
    pub(super) fn writing(
        self,
        reach: Reach,
        kept: Duration,
        least: Duration,
    ) -> impl Fn(&mut Cmd) + Send + Sync {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let kept_us = i64::try_from(kept.as_micros()).unwrap_or(i64::MAX);
        let changed = self.nodes.into_iter().filter_map(move |(whose, slot)| {
            let is = slot.node.record(whose).encode_to_vec();
            let changed = slot.node != Node::default() && is != slot.was;
            let till = slot.node.newest_us().saturating_add(kept_us);
            let converted = u8::from(slot.node.has_converted());
            changed.then(|| (name(whose), is, till, converted))
        });
        let changed: Vec<_> = changed.collect();
        let gone: Vec<_> = self.gone.into_iter().map(name).collect();
        let clicked = self.clicked.into_iter();
        let clicked: Vec<_> = clicked
            .map(|(click, whose)| (click_name(click), name(Identity::Visitor(whose))))
            .collect();
        move |command: &mut Cmd| {
            let rules = reach.rules.map(|rules| rules.to_string());
            command.arg(&self.turn).arg(reach.through.1);
            command.arg(rules.unwrap_or_default());
            command.arg(millis(kept)).arg(millis(least));
            command.arg(clicked.len()).arg(&clicked);
            command.arg(gone.len()).arg(&gone);
            for (whose, node, till, converted) in &changed {
                command.arg(whose).arg(node.as_slice()).arg(till);
                command.arg(converted);
            }
        }
    }
}

/// What was not read is missing: whose it is.
impl Nodes for Hand {
    type Error = Identity;

    fn node(&mut self, identity: Identity) -> Result<&mut Node, Identity> {
        let slot = self.nodes.get_mut(&identity);
        slot.map(|slot| &mut slot.node).ok_or(identity)
    }

    fn take(&mut self, identity: Identity) -> Result<Option<Node>, Identity> {
        let slot = self.nodes.get_mut(&identity).ok_or(identity)?;
        let slot = std::mem::take(slot);
        if !slot.was.is_empty() {
            self.gone.insert(identity);
        }
        Ok((slot.node != Node::default()).then_some(slot.node))
    }

    fn whose(&mut self, click: ClickId) -> Result<Option<VisitorId>, Identity> {
        let whose = self.clicks.get(&click).copied();
        whose.ok_or(Identity::Click(click))
    }

    fn belongs(&mut self, click: ClickId, visitor: VisitorId) {
        self.clicks.insert(click, Some(visitor));
        self.clicked.insert(click, visitor);
    }
}
