//! What needs the log: leads, and all that is behind it. It begins when the log can be read.

use std::sync::Arc;
use std::time::Duration;

use domain::TrackKey;
use httpd::Readiness;
use router::{Keys, Parts, QuoteKey, Router, RouterService};
use store::LogError;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::behind::Behind;
use super::finder::Leads;
use super::front::Front;
use super::generations::{Desk, Known};
use super::stores::Stores;
use super::{Ground, Role, first, joined};
use crate::cmd::Failure;

/// After the log was heard and could not be read all the same.
const PAUSE: Duration = Duration::from_secs(1);

/// It, running.
pub(super) struct Works<S: Stores> {
    known: Known<S>,
    behind: Option<Behind>,
    router: Option<Arc<Router<S>>>,
    sharing: Option<JoinHandle<()>>,
    /// Ends the router's wait for what nodes share.
    waiting: CancellationToken,
    following: JoinHandle<()>,
}

impl<S: Stores> Works<S> {
    /// Waits for the log, reads which catalog is in force, and begins. Who stops waiting has begun nothing.
    pub(super) async fn begin(
        ground: &Ground<'_>,
        stores: &S,
        front: &Front<S>,
        readiness: &Readiness,
        end: &CancellationToken,
    ) -> Result<Self, Failure> {
        stores.heard().await?;
        let opened = Known::open(stores.clone(), Desk::of(ground), Arc::clone(&ground.file)).await;
        let (known, course) = opened.map_err(Failure::Work)?;
        // Where nothing was lost, which is at most starts, leads are taken from the first request on.
        let at_hand = timeout(Duration::ZERO, stores.leads_at_hand())
            .await
            .is_ok();
        // From here on nothing waits.
        let Ground {
            config,
            roles,
            runtimes,
            spans,
            ..
        } = ground;
        spans.obey(&known, config.log.retention);
        let behind = match roles.has(Role::Worker) {
            true => Some(Behind::start(ground, stores, &known, readiness, end)?),
            false => None,
        };
        let router = match roles.has(Role::Router) {
            true => Some(router(ground, stores, &known)?),
            false => None,
        };
        front.begin(&known);
        let waiting = CancellationToken::new();
        let sharing = router.clone().zip(front.routes()).map(|(router, routes)| {
            if at_hand {
                routes.is(RouterService(Arc::clone(&router)));
            }
            let (stores, end) = (stores.clone(), waiting.clone());
            runtimes.leads.spawn(async move {
                if first::wait("router", stores.leads_at_hand(), &end).await {
                    routes.is(RouterService(Arc::clone(&router)));
                    router.share().await;
                }
            })
        });
        known.register(readiness);
        let following = known.clone().follow(course, end.clone());
        Ok(Self {
            behind,
            router,
            sharing,
            waiting,
            following: runtimes.work.spawn(following),
            known,
        })
    }

    /// The same, however often the log goes away again before it was read.
    pub(super) async fn begin_at_last(
        ground: &Ground<'_>,
        stores: &S,
        front: &Front<S>,
        readiness: &Readiness,
        end: &CancellationToken,
    ) -> Result<Self, Failure> {
        loop {
            match Self::begin(ground, stores, front, readiness, end).await {
                Err(Failure::Work(error)) if is_away(&error) => {
                    tracing::warn!("{error:#}");
                    tokio::time::sleep(PAUSE).await;
                }
                begun => return begun,
            }
        }
    }

    /// The generations of the catalog.
    pub(super) fn known(&self) -> Known<S> {
        self.known.clone()
    }

    /// Ends what is in progress; then all the rest, by `end`.
    pub(super) async fn ended(self, patience: Duration, end: &CancellationToken) {
        self.waiting.cancel();
        if let Some(router) = self.router {
            let left = router.drain(patience).await;
            if left > 0 {
                tracing::warn!(left, "leads in progress were left: their records end them");
            }
        }
        if let Some(sharing) = self.sharing {
            joined("sharing", sharing.await);
        }
        end.cancel();
        if let Some(behind) = self.behind {
            behind.ended().await;
        }
        joined("catalog", self.following.await);
    }
}

fn is_away(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(LogError::Unavailable(_)))
}

fn router<S: Stores>(
    ground: &Ground<'_>,
    stores: &S,
    known: &Known<S>,
) -> Result<Arc<Router<S>>, Failure> {
    let Ground {
        secrets,
        host,
        config,
        ..
    } = ground;
    let router = Router::new(Parts {
        backend: stores.clone(),
        snapshot: Arc::clone(&known.current().snapshot),
        catalogs: Arc::new(known.clone()),
        keys: Keys {
            sealer: Arc::clone(&ground.sealer),
            quotes: QuoteKey::new(secrets.quotes.0, secrets.key_id),
            tracking: TrackKey::new(secrets.tracking.0),
        },
        clock: Arc::clone(&host.clock),
        entropy: Arc::clone(&host.entropy),
        finder: Arc::new(Leads(ground.warehouse.clone())),
        metrics: host.metrics.clone(),
        instance: ground.instance,
        runtime: ground.runtimes.leads.handle().clone(),
        leads: config.limits.requests,
        lease: config.limits.lease,
    })
    .map_err(Failure::usage)?;
    let obeying = Arc::clone(&router);
    known.obeyed_by(move |current| {
        let change = obeying.prepare(Arc::clone(&current.snapshot))?;
        let obeying = Arc::clone(&obeying);
        Ok(Box::new(move || obeying.change(change)))
    });
    Ok(router)
}
