//! The registry behind the names, and the way in and out of it.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
};
use prometheus::{TextEncoder, core::Collector};

use crate::{Counter, Gauge, Histogram, Kind, Metric};

/// All metrics of a process. Cloning shares them.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    /// By the number of the metric.
    families: Vec<Family>,
}

enum Family {
    Counter(IntCounterVec),
    Gauge(IntGaugeVec),
    Histogram(HistogramVec),
}

impl Family {
    fn new(metric: Metric) -> prometheus::Result<Self> {
        let (name, help, labels) = (metric.name(), metric.help(), metric.labels());
        Ok(match metric.kind() {
            Kind::Counter => Self::Counter(IntCounterVec::new(Opts::new(name, help), labels)?),
            Kind::Gauge => Self::Gauge(IntGaugeVec::new(Opts::new(name, help), labels)?),
            Kind::Histogram(buckets) => {
                let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
                Self::Histogram(HistogramVec::new(opts, labels)?)
            }
        })
    }

    fn collector(&self) -> Box<dyn Collector> {
        match self {
            Self::Counter(vec) => Box::new(vec.clone()),
            Self::Gauge(vec) => Box::new(vec.clone()),
            Self::Histogram(vec) => Box::new(vec.clone()),
        }
    }
}

/// One counter, found once.
#[derive(Clone)]
pub struct Count(Option<IntCounter>);

impl Count {
    /// Counts one.
    pub fn one(&self) {
        if let Some(counter) = &self.0 {
            counter.inc();
        }
    }
}

/// One histogram, found once.
#[derive(Clone)]
pub struct Times(Option<prometheus::Histogram>);

impl Times {
    /// Records a time.
    pub fn record(&self, took: Duration) {
        if let Some(histogram) = &self.0 {
            histogram.observe(took.as_secs_f64());
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Registers all of [`Metric::ALL`].
    #[expect(
        clippy::expect_used,
        reason = "the names are constants, and every test that makes a registry checks them"
    )]
    pub fn new() -> Self {
        let registry = Registry::new();
        let family = |&metric| {
            let family = Family::new(metric)?;
            registry.register(family.collector())?;
            Ok(family)
        };
        let families: prometheus::Result<Vec<Family>> = Metric::ALL.iter().map(family).collect();
        let families = families.expect("a metric's constant name or label is not valid");
        Self(Arc::new(Inner { registry, families }))
    }

    fn family(&self, metric: Metric) -> Option<&Family> {
        self.0.families.get(metric as usize)
    }

    /// Counts one.
    pub fn count<const N: usize>(&self, counter: Counter<N>, labels: [&'static str; N]) {
        self.add(counter, labels, 1);
    }

    /// Counts `by`.
    pub fn add<const N: usize>(&self, counter: Counter<N>, labels: [&'static str; N], by: u64) {
        if let Some(Family::Counter(vec)) = self.family(counter.0) {
            vec.with_label_values(&labels).inc_by(by);
        }
    }

    /// A counter of its own, for where it is counted for every request: finding it by its labels
    /// costs more than counting.
    pub fn counter<const N: usize>(&self, counter: Counter<N>, labels: [&'static str; N]) -> Count {
        Count(match self.family(counter.0) {
            Some(Family::Counter(vec)) => Some(vec.with_label_values(&labels)),
            _ => None,
        })
    }

    /// Likewise for times.
    pub fn timer<const N: usize>(
        &self,
        histogram: Histogram<N>,
        labels: [&'static str; N],
    ) -> Times {
        Times(match self.family(histogram.0) {
            Some(Family::Histogram(vec)) => Some(vec.with_label_values(&labels)),
            _ => None,
        })
    }

    /// Sets a gauge.
    pub fn set<const N: usize>(&self, gauge: Gauge<N>, labels: [&'static str; N], value: i64) {
        if let Some(Family::Gauge(vec)) = self.family(gauge.0) {
            vec.with_label_values(&labels).set(value);
        }
    }

    /// Moves a gauge up or down.
    pub fn shift<const N: usize>(&self, gauge: Gauge<N>, labels: [&'static str; N], by: i64) {
        if let Some(Family::Gauge(vec)) = self.family(gauge.0) {
            vec.with_label_values(&labels).add(by);
        }
    }

    /// Records a time.
    pub fn time<const N: usize>(
        &self,
        histogram: Histogram<N>,
        labels: [&'static str; N],
        took: Duration,
    ) {
        if let Some(Family::Histogram(vec)) = self.family(histogram.0) {
            vec.with_label_values(&labels).observe(took.as_secs_f64());
        }
    }

    /// Records many times.
    pub fn times<const N: usize>(
        &self,
        histogram: Histogram<N>,
        labels: [&'static str; N],
        took: impl IntoIterator<Item = Duration>,
    ) {
        if let Some(Family::Histogram(vec)) = self.family(histogram.0) {
            let histogram = vec.with_label_values(&labels);
            for took in took {
                histogram.observe(took.as_secs_f64());
            }
        }
    }

    /// A counter's value now.
    pub fn counted<const N: usize>(&self, counter: Counter<N>, labels: [&'static str; N]) -> u64 {
        match self.family(counter.0) {
            Some(Family::Counter(vec)) => vec.with_label_values(&labels).get(),
            _ => 0,
        }
    }

    /// A gauge's value now.
    pub fn gauged<const N: usize>(&self, gauge: Gauge<N>, labels: [&'static str; N]) -> i64 {
        match self.family(gauge.0) {
            Some(Family::Gauge(vec)) => vec.with_label_values(&labels).get(),
            _ => 0,
        }
    }

    /// Everything in Prometheus' text format.
    pub fn encode(&self) -> String {
        TextEncoder::new()
            .encode_to_string(&self.0.registry.gather())
            .unwrap_or_else(|error| format!("# not encodable: {error}\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AUCTION_OVERHEAD, EDGE_CLICKS, HTTP_CONNECTIONS};

    #[test]
    fn what_is_emitted_is_encoded() {
        let metrics = Metrics::new();
        metrics.count(EDGE_CLICKS, ["logged"]);
        metrics.add(EDGE_CLICKS, ["logged"], 2);
        metrics.shift(HTTP_CONNECTIONS, ["public"], 5);
        metrics.shift(HTTP_CONNECTIONS, ["public"], -2);
        metrics.time(AUCTION_OVERHEAD, ["ping"], Duration::from_micros(300));
        assert_eq!(metrics.counted(EDGE_CLICKS, ["logged"]), 3);
        let text = metrics.encode();
        for line in [
            "gavel_edge_clicks_total{result=\"logged\"} 3",
            "gavel_http_connections{listener=\"public\"} 3",
            "gavel_auction_overhead_seconds_bucket{endpoint=\"ping\",le=\"0.00025\"} 0",
            "gavel_auction_overhead_seconds_bucket{endpoint=\"ping\",le=\"0.0005\"} 1",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
