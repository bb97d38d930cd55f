//! The run: traffic all the time, and round after round somebody is killed and started again.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use domain::Clock;
use loadtest::engine;
use sandbox::{Listen, Options, Sandbox, read_journals};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use traffic::{
    Book, Books, Buyers, Check, Clients, Dice, Driver, Gate, Held, LeadTold, Live, MARKER_FIELD,
    Patience, Plan, Pool, Ports, Run, Service, Stretch, Told, Warehouse,
};

use crate::cast::{self, Cast};
use crate::draw::{Moment, Round, Victim};

use crate::settle::{Settled, Settling};
use crate::trap::Trap;
use crate::verdict;

/// An unanswered request is repeated this often and this long: longer than any outage.
const PATIENCE: Patience = Patience {
    pause: Duration::from_millis(150),
    limit: Duration::from_secs(90),
};
/// A client waits this long: the publishers' deadline and a margin.
const CLIENT_LIMIT: Duration = Duration::from_secs(6);
/// Connections of all clients together.
const CONNECTIONS: usize = 400;
/// How long the service may take to be ready again.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// How long a condition may take to come true.
const TRAP_LIMIT: Duration = Duration::from_secs(15);
/// From the first held ping to the kill: the lead's first record gets to disk beside its pings.
const PING_IS_OUT: Duration = Duration::from_millis(150);
/// How long an interrupted lead may take to be closed.
const CLOSE_LIMIT: Duration = Duration::from_secs(30);
/// After the last restart traffic goes on for this long.
const LAST_STRETCH: Duration = Duration::from_secs(3);
/// More demand where a limit is not reached yet, this long and this often.
const MORE: Duration = Duration::from_secs(2);
const MORE_TIMES: u32 = 8;
/// No traffic is sent for longer, whatever happens.
const LONGEST: Duration = Duration::from_secs(3600);
/// How long a query may take, and its result may be.
const QUERY_LIMIT: Duration = Duration::from_secs(60);
const RESULT_BYTES: usize = 1 << 30;
/// How often a told `pending` is looked up after everything was settled.
const LOOK_UPS: u32 = 50;
const LOOK: Duration = Duration::from_millis(200);
/// How long the service may take to end in order.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// What is to be run.
pub(crate) struct Order {
    pub(crate) gavel: PathBuf,
    pub(crate) dir: PathBuf,
    pub(crate) cast: &'static Cast,
    pub(crate) seed: u64,
    pub(crate) rounds: Vec<Round>,
}

/// A run under way.
pub(crate) struct Chaos {
    order: Order,
    plan: Plan,
    service: Service,
    operator: Pool,
    warehouse: Warehouse,
    trap: Arc<Trap>,
    driver: Arc<Driver>,
    sandbox: Sandbox,
    dice: Dice,
    clock: Arc<dyn Clock>,
}

impl Chaos {
    /// Starts buyers and, for the first time, the service.
    pub(crate) async fn begin(order: Order, clock: Arc<dyn Clock>) -> Result<Self> {
        let cast = order.cast;
        let mut dice = Dice::new(order.seed);
        let gate = Arc::new(Gate::default());
        let trap = Arc::new(Trap::new(Arc::clone(&gate)));
        let options = Options {
            listen: Listen::Any,
            profiles: cast.profiles(),
            seed: order.seed,
            journal: order.dir.join("buyers"),
            marker: MARKER_FIELD.to_owned(),
            tap: Some(Arc::clone(&trap) as _),
        };
        let sandbox = Sandbox::start(options, Arc::clone(&clock)).await?;
        let catalog = order.dir.join("chaos.toml");
        std::fs::write(&catalog, cast.catalog).with_context(|| catalog.display().to_string())?;
        let vars = (1..)
            .zip(sandbox.buyers())
            .map(|(number, buyer)| {
                (
                    format!("sandbox_{number:02}"),
                    format!("http://{}", buyer.addr),
                )
            })
            .chain([("post_timeout".to_owned(), "2s".to_owned())])
            .collect();
        let plan = Plan {
            gavel: order.gavel.clone(),
            dir: order.dir.clone(),
            catalog,
            vars,
            admin_key: cast::OPERATOR_KEY.to_owned(),
            ports: Ports::hold()?,
            shared: None,
            roles: &[],
        };
        let public = plan.ports.public.addr();
        let pool = || Pool::new(public, CONNECTIONS, CLIENT_LIMIT, Arc::clone(&clock));
        let driver = Arc::new(Driver {
            browsers: pool(),
            publishers: pool(),
            world: cast.world(),
            mix: cast.mix(),
            patience: PATIENCE,
            book: Book::create(&order.dir.join("clients.jsonl"))?,
            gate,
            live: Live::default(),
            control: None,
            clock: Arc::clone(&clock),
            visitors: AtomicU64::new(0),
        });
        let service = plan.start()?;
        Ok(Self {
            operator: plan.operator_pool(Arc::clone(&clock)),
            warehouse: plan.warehouse(QUERY_LIMIT, RESULT_BYTES, Arc::clone(&clock)),
            plan,
            service,
            trap,
            driver,
            sandbox,
            dice: dice.fork(),
            order,
            clock,
        })
    }

    /// Plays all rounds, settles what is open, and holds the books against each other.
    pub(crate) async fn play(mut self) -> Result<Vec<Check>> {
        let (traffic, stop) = self.send(LONGEST);
        for (number, round) in (1..).zip(self.order.rounds.clone()) {
            let counts = self.driver.live.counts();
            eprintln!(
                "round {number}: {round:?}; so far {} clicks, {} leads ({} sold)",
                counts.clicks, counts.leads, counts.sold
            );
            self.strike(round)
                .await
                .with_context(|| format!("round {number}"))?;
        }
        self.ready().await?;
        tokio::time::sleep(LAST_STRETCH).await;
        stop.cancel();
        eprintln!("waiting for every client to be answered");
        let mut not_started = traffic.await?.not_started;

        let mut settled = self.settle().await?;
        let mut more = 0;
        while !self.limits_are_reached().await? && more < MORE_TIMES {
            more += 1;
            let (traffic, _) = self.send(MORE);
            not_started += traffic.await?.not_started;
            let again = self.settle().await?;
            settled.by_buyers += again.by_buyers;
            settled.by_operator += again.by_operator;
        }
        self.look_up().await?;
        if not_started > 0 {
            eprintln!("{not_started} visitors could not be started: too many were under way");
        }
        eprintln!(
            "settled {} legs by call-back and {} by the operator; {more} more stretches to reach the limits",
            settled.by_buyers, settled.by_operator
        );
        self.judge(settled).await
    }

    /// Sends visitors in the background.
    fn send(&mut self, length: Duration) -> (JoinHandle<Stretch>, CancellationToken) {
        let (driver, stop) = (Arc::clone(&self.driver), CancellationToken::new());
        let (dice, stopped) = (self.dice.fork(), stop.clone());
        #[expect(clippy::disallowed_methods, reason = "one task, awaited by its caller")]
        let traffic = tokio::spawn(async move { driver.run(dice, length, &stopped).await });
        (traffic, stop)
    }

    async fn ready(&mut self) -> Result<()> {
        self.service
            .ready(&self.operator, READY_LIMIT, self.clock.as_ref())
            .await?;
        Ok(())
    }

    /// One round: waits for the moment, kills, starts again.
    async fn strike(&mut self, round: Round) -> Result<()> {
        match round.moment {
            Moment::After(after) => tokio::time::sleep(after).await,
            Moment::PingOut | Moment::PostOut => {
                self.ready().await?;
                self.trap.arm(round.moment);
                tokio::time::timeout(TRAP_LIMIT, self.trap.sprung())
                    .await
                    .map_err(|_| {
                        anyhow!("nothing came for {:?} in {TRAP_LIMIT:?}", round.moment)
                    })?;
                if round.moment == Moment::PingOut {
                    tokio::time::sleep(PING_IS_OUT).await;
                }
            }
        }
        if matches!(round.victim, Victim::Engine | Victim::Both) {
            let service = self
                .service
                .id()
                .context("the service has ended by itself")?;
            if !engine::kill(service, READY_LIMIT, self.clock.as_ref()).await? {
                bail!("the service has no engine to kill");
            }
        }
        if matches!(round.victim, Victim::Service | Victim::Both) {
            self.service
                .kill()
                .await
                .context("cannot kill the service")?;
            self.service = self.plan.start()?;
        }
        self.trap.open();
        if round.moment == Moment::PingOut {
            self.await_interrupted().await?;
        }
        Ok(())
    }

    /// Keeps the caught lead's client away until the service has closed the lead by itself.
    async fn await_interrupted(&mut self) -> Result<()> {
        self.ready().await?;
        let until = self.clock.mono().plus(CLOSE_LIMIT);
        while self.count(INTERRUPTED).await? == 0 && self.clock.mono() < until {
            tokio::time::sleep(LOOK).await;
        }
        self.driver.gate.release();
        Ok(())
    }

    async fn count(&self, sql: &str) -> Result<u64> {
        let value = self.warehouse.value::<u32>(sql).await?;
        Ok(value.unwrap_or(0).into())
    }

    async fn settle(&self) -> Result<Settled> {
        Settling {
            public: &self.driver.publishers,
            operator: &self.operator,
            warehouse: &self.warehouse,
            cast: self.order.cast,
            journals: &self.order.dir.join("buyers"),
            clock: self.clock.as_ref(),
        }
        .all()
        .await
    }

    async fn limits_are_reached(&self) -> Result<bool> {
        let held = Held::read(&self.warehouse).await?;
        Ok(verdict::are_full(self.order.cast.limits, &held))
    }

    /// Lets clients that were told `pending` ask for the end of their lead.
    async fn look_up(&self) -> Result<()> {
        let told = self.driver.book.read()?;
        let mut open: Vec<LeadTold> = told
            .into_iter()
            .filter_map(|told| match told {
                Told::Lead(lead) if lead.status == "pending" => Some(lead),
                _ => None,
            })
            .collect();
        for _ in 0..LOOK_UPS {
            let mut still = Vec::new();
            for lead in open {
                if !self.driver.look_up(&lead).await {
                    still.push(lead);
                }
            }
            open = still;
            if open.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    async fn judge(self, settled: Settled) -> Result<Vec<Check>> {
        let cast = self.order.cast;
        let held = Held::read(&self.warehouse).await?;
        let told = self.driver.book.read()?;
        let entries = read_journals(&self.order.dir.join("buyers"))?;
        let ended = self.service.stop(STOP_LIMIT).await?;
        self.sandbox.stop().await;
        let books = Books {
            clients: Clients::of(&told),
            buyers: Buyers::of(&entries),
            held: &held,
            book_sizes: cast.book_sizes(),
            run: Run::WithCrashes,
        };
        let mut checks = books.checks();
        checks.extend(verdict::limits(cast.limits, &held, &entries));
        checks.extend(verdict::occurred(&held, settled));
        checks.push(Check::that(
            "the service ends in order",
            ended.success(),
            ended.to_string(),
        ));
        Ok(checks)
    }
}

const INTERRUPTED: &str =
    "SELECT toUInt32(count()) AS value FROM v_leads WHERE reason = 'interrupted'";
