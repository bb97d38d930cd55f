//! One line for each moment: what the processes hold, and how fast they are.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::{Context as _, Result};
use loadtest::metrics::{Buckets, sum};
use loadtest::process::{self, Usage};
use loadtest::window::Machine;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use traffic::{Call, Driver, Pool};

use super::probe::Probe;
use crate::stage::{Ids, Stage};

const COLUMNS: &str = "seconds,visitors,clicks,leads,rss_kib,peak_kib,threads,handles,\
    sockets,engine_rss_kib,engine_peak_kib,engine_threads,engine_handles,engine_sockets,disk_mib,\
    lag,freshness_p99_ms,overhead_p99_ms,steal";

#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Sample {
    pub(super) seconds: f64,
    pub(super) visitors: u64,
    pub(super) clicks: u64,
    pub(super) leads: u64,
    pub(super) service: Usage,
    pub(super) engine: Usage,
    pub(super) disk_mib: f64,
    pub(super) lag: Option<f64>,
    pub(super) freshness_ms: Option<f64>,
    /// The upper bound of the bucket that the slowest hundredth falls into.
    pub(super) overhead_ms: Option<f64>,
    pub(super) steal: f64,
}

pub(super) struct Sampler {
    ids: Ids,
    data: PathBuf,
    operator: Pool,
    driver: Arc<Driver>,
    csv: PathBuf,
}

impl Sampler {
    pub(super) fn new(stage: &Stage, driver: &Arc<Driver>, csv: &Path) -> Result<Self> {
        Ok(Self {
            ids: stage.ids()?,
            data: stage.data(),
            operator: stage.operator_pool(),
            driver: Arc::clone(driver),
            csv: csv.to_owned(),
        })
    }

    /// Looks until it is told to stop; each line is in the file as soon as it is known.
    pub(super) async fn watch(
        &self,
        probe: &Probe,
        every: Duration,
        stop: &CancellationToken,
    ) -> Result<Vec<Sample>> {
        let file = File::create(&self.csv).with_context(|| self.csv.display().to_string())?;
        let mut file = BufWriter::new(file);
        writeln!(file, "{COLUMNS}")?;
        let began = self.driver.clock.mono();
        let mut samples = Vec::new();
        let (mut machine, mut buckets) = (Machine::now()?, Buckets::default());
        loop {
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = stop.cancelled() => return Ok(samples),
            }
            let metrics = self.operator.call(Call::get("/metrics")).await;
            let metrics = metrics.map(|answered| answered.body).unwrap_or_default();
            let metrics = String::from_utf8_lossy(&metrics);
            let (now, counts) = (Machine::now()?, self.driver.live.counts());
            let overhead = Buckets::read(&metrics, "gavel_auction_overhead_seconds");
            let sample = Sample {
                seconds: self.driver.clock.mono().since(began).as_secs_f64(),
                visitors: self.driver.visitors.load(Relaxed),
                clicks: counts.clicks,
                leads: counts.leads,
                service: process::usage(self.ids.service)?,
                engine: process::usage(self.ids.engine)?,
                disk_mib: size(&self.data) as f64 / f64::from(1 << 20),
                lag: sum(&metrics, "gavel_worker_lag_records"),
                freshness_ms: probe.take_p99_ms(),
                overhead_ms: overhead.quantile_since(&buckets, 0.99).map(|s| s * 1000.0),
                steal: now.since(machine).steal,
            };
            (machine, buckets) = (now, overhead);
            writeln!(file, "{}", sample.line())?;
            file.flush()?;
            eprintln!(
                "{:>6.0} s  {} clicks, {} leads; {} MiB, {} handles ({} sockets); lag {:.0}",
                sample.seconds,
                sample.clicks,
                sample.leads,
                sample.service.rss_kib / 1024,
                sample.service.handles,
                sample.service.sockets,
                sample.lag.unwrap_or(f64::NAN),
            );
            samples.push(sample);
        }
    }
}

impl Sample {
    fn line(&self) -> String {
        let usage = |usage: &Usage| {
            format!(
                "{},{},{},{},{}",
                usage.rss_kib, usage.peak_kib, usage.threads, usage.handles, usage.sockets
            )
        };
        let maybe = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        format!(
            "{:.1},{},{},{},{},{},{:.1},{},{},{},{:.3}",
            self.seconds,
            self.visitors,
            self.clicks,
            self.leads,
            usage(&self.service),
            usage(&self.engine),
            self.disk_mib,
            maybe(self.lag),
            maybe(self.freshness_ms),
            maybe(self.overhead_ms),
            self.steal,
        )
    }
}

/// Bytes of all files below; what goes away meanwhile counts as nothing.
fn size(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => size(&entry.path()),
            Ok(data) => data.len(),
            Err(_) => 0,
        })
        .sum()
}
