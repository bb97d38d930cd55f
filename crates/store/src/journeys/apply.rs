//! Updates come to the identities they belong to: whose click it is, what waited for it, and what is told.
//! Pure; a backend says where it has its nodes.

use std::collections::HashSet;

use domain::{ClickId, VisitorId};
use proto::{JourneyBody, JourneyEntry};

use super::{Applied, Identity, JourneyUpdate, Limits, Node, Telling};

/// Nodes of a backend, as they are before a batch and after each of its updates.
pub trait Nodes {
    /// Why one cannot be read.
    type Error;

    /// What is known of an identity: a fresh node if nothing is.
    ///
    /// # Errors
    /// It cannot be read.
    fn node(&mut self, identity: Identity) -> Result<&mut Node, Self::Error>;

    /// The same, and nobody asks for it again.
    ///
    /// # Errors
    /// It cannot be read.
    fn take(&mut self, identity: Identity) -> Result<Option<Node>, Self::Error>;

    /// Whose click it is.
    ///
    /// # Errors
    /// It cannot be read.
    fn whose(&mut self, click: ClickId) -> Result<Option<VisitorId>, Self::Error>;

    /// A click is this visitor's from now on.
    fn belongs(&mut self, click: ClickId, visitor: VisitorId);
}

/// Applies updates in this order; gives the journeys they belong to, each once, and what is to be told.
///
/// # Errors
/// A node cannot be read. Some updates are applied then, and may be applied again.
pub fn apply<N: Nodes>(
    nodes: &mut N,
    updates: Vec<JourneyUpdate>,
    limits: Limits,
) -> Result<Applied, N::Error> {
    let mut touched = Vec::with_capacity(updates.len());
    let mut applied = Applied::default();
    for update in updates {
        let click = update.click();
        let JourneyUpdate {
            identity,
            ts_us,
            news,
        } = update;
        let identity = resolve(nodes, identity)?;
        if let (Identity::Visitor(visitor), Some(click)) = (identity, click) {
            let absorbed = clicked(nodes, visitor, click, limits)?;
            applied.tellings.extend(absorbed);
        }
        let tellings = nodes.node(identity)?.learn(identity, ts_us, news, limits);
        applied.tellings.extend(tellings);
        touched.push(identity);
    }
    let mut seen = HashSet::new();
    for identity in touched {
        // A click that a later touch of the batch gave to a visitor is that visitor's.
        let identity = resolve(nodes, identity)?;
        if seen.insert(identity) {
            let node = nodes.node(identity)?;
            applied.journeys.push(node.journey(identity, limits));
        }
    }
    Ok(applied)
}

/// The click that a touch is.
pub fn touched_click(entry: &JourneyEntry) -> Option<ClickId> {
    let touch = matches!(entry.body, Some(JourneyBody::Touch(_)));
    let click: [u8; 24] = entry.click_id.as_slice().try_into().ok()?;
    touch.then(|| ClickId::from_bytes(click))
}

/// Whoever is known by this.
fn resolve<N: Nodes>(nodes: &mut N, identity: Identity) -> Result<Identity, N::Error> {
    Ok(match identity {
        Identity::Click(click) => match nodes.whose(click)? {
            Some(visitor) => Identity::Visitor(visitor),
            None => identity,
        },
        Identity::Visitor(_) | Identity::Person(_) | Identity::Key(_) => identity,
    })
}

/// A visitor made this click. What waited for it is the visitor's, the first time it is heard of. What is told
/// then is told whenever the click comes again.
fn clicked<N: Nodes>(
    nodes: &mut N,
    visitor: VisitorId,
    click: ClickId,
    limits: Limits,
) -> Result<Vec<Telling>, N::Error> {
    let known = nodes.whose(click)?;
    nodes.belongs(click, visitor);
    let me = Identity::Visitor(visitor);
    if known.is_some() {
        return Ok(nodes.node(me)?.absorbed(me, click, limits));
    }
    let Some(waited) = nodes.take(Identity::Click(click))? else {
        return Ok(Vec::new());
    };
    Ok(nodes.node(me)?.absorb(me, click, waited, limits))
}
