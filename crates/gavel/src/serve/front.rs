//! What answers requests: clicks and pixels as soon as the process listens, for which the journal is enough; leads
//! once the log was read and what nodes share can be asked.

use std::sync::Arc;

use arc_swap::ArcSwap;
use catalog::Snapshot;
use domain::TrackKey;
use edge::Edge;
use httpd::{Fork, Service};
use router::RouterService;

use super::generations::{self, Desk, Known};
use super::later::Later;
use super::stores::Stores;
use super::{Ground, Role};

/// It.
pub(super) struct Front<S: Stores> {
    edge: Option<Arc<Edge<S>>>,
    routes: Option<Later<RouterService<S>>>,
    /// The edge's catalog.
    links: Arc<ArcSwap<Snapshot>>,
}

impl<S: Stores> Front<S> {
    /// With the catalog of the file.
    pub(super) fn new(ground: &Ground<'_>, stores: &S) -> Self {
        let links = Arc::new(ArcSwap::new(Arc::clone(&ground.file)));
        let Ground {
            host,
            config,
            roles,
            ..
        } = ground;
        let edge = || {
            Edge::new(edge::Parts {
                backend: stores.clone(),
                snapshot: Arc::clone(&links),
                tracking: TrackKey::new(ground.secrets.tracking.0),
                sealer: Arc::clone(&ground.sealer),
                clock: Arc::clone(&host.clock),
                entropy: Arc::clone(&host.entropy),
                metrics: host.metrics.clone(),
                fallback_url: config.fallback_url.clone(),
                country_header: None,
            })
        };
        Self {
            edge: roles.has(Role::Edge).then(edge),
            routes: roles.has(Role::Router).then(Later::new),
            links,
        }
    }

    /// The log cannot be read: until it can, visitors are sent on by what was in force here last.
    pub(super) fn go_ahead(&self, ground: &Ground<'_>) {
        let last = generations::last(&Desk::of(ground), &ground.file);
        self.links.store(last);
    }

    /// The log was read: from now on it obeys what is in force.
    pub(super) fn begin(&self, known: &Known<S>) {
        let links = Arc::clone(&self.links);
        known.obeyed_by(move |current| {
            let next = Arc::clone(&current.snapshot);
            let links = Arc::clone(&links);
            Ok(Box::new(move || links.store(next)))
        });
        self.links.store(Arc::clone(&known.current().snapshot));
    }

    /// Where leads are taken once their router is there; none where they are not this process's.
    pub(super) fn routes(&self) -> Option<Later<RouterService<S>>> {
        self.routes.clone()
    }

    /// What the public listener serves.
    pub(super) fn service(&self) -> impl Service + use<S> {
        Fork::new(edge::claims, self.edge.clone(), self.routes.clone())
    }
}
