//! Every metric of the service, by name.
//!
//! How to add one: write a line into the table below (`UPDATE_EXPECT=1 cargo test -p telemetry` puts it
//! into `docs/reference/metrics.md`), then emit it through the constant it makes:
//! `metrics.count(telemetry::EDGE_CLICKS, ["logged"])`. Names are
//! `gavel_<component>_<noun>_<unit>[_total]`, in seconds and bytes. The number of labels is part of
//! the constant's type, and a label's value is a `&'static str`, so what a client sent can be none.

/// What a metric measures with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only goes up.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts into buckets with these upper bounds.
    Histogram(&'static [f64]),
}

/// How a counter with `N` labels is named in code.
#[derive(Debug, Clone, Copy)]
pub struct Counter<const N: usize>(pub(crate) Metric);

/// How a gauge with `N` labels is named in code.
#[derive(Debug, Clone, Copy)]
pub struct Gauge<const N: usize>(pub(crate) Metric);

/// How a histogram with `N` labels is named in code.
#[derive(Debug, Clone, Copy)]
pub struct Histogram<const N: usize>(pub(crate) Metric);

/// Time the service itself takes: from 0.25 ms, so that a good service shows in more than one
/// bucket.
pub const OVERHEAD_BUCKETS: &[f64] = &[
    0.000_25, 0.000_5, 0.000_75, 0.001, 0.001_5, 0.002, 0.003, 0.005, 0.007_5, 0.01, 0.02, 0.05,
    0.1, 0.25, 1.0,
];

/// Time of whole requests, waits for others included.
pub const REQUEST_BUCKETS: &[f64] = &[
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0, 30.0,
];

/// From the moment something is accepted to the moment analysts can see it.
pub const FRESHNESS_BUCKETS: &[f64] = &[
    0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0,
];

macro_rules! metrics {
    ($($kind:ident$(($buckets:expr))? $constant:ident $variant:ident $name:literal
       [$($label:literal),*] $help:literal;)*) => {
        /// A metric.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Metric {
            $(#[doc = $help] $variant,)*
        }

        impl Metric {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name outside.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it says, for a person.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => $help,)* }
            }

            /// What it measures with.
            pub const fn kind(self) -> Kind {
                match self { $(Self::$variant => Kind::$kind$(($buckets))?,)* }
            }

            /// The names of its labels.
            pub const fn labels(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$($label),*],)* }
            }
        }

        $(#[doc = $help]
        pub const $constant: $kind<{ <[&str]>::len(&[$($label),*]) }> = $kind(Metric::$variant);)*
    };
}

metrics! {
    Counter HTTP_REQUESTS HttpRequests "gavel_http_requests_total" ["listener", "status"]
        "Requests answered, by listener and class of status.";
    Histogram(REQUEST_BUCKETS) HTTP_REQUEST_SECONDS HttpRequestSeconds
        "gavel_http_request_seconds" ["listener"]
        "Time from a request's head to its answer.";
    Gauge HTTP_CONNECTIONS HttpConnections "gavel_http_connections" ["listener"]
        "Connections open now.";
    Counter HTTP_REFUSED HttpRefused "gavel_http_connections_refused_total" ["listener"]
        "Connections turned away because too many were open.";
    Counter HTTP_PANICS HttpPanics "gavel_http_panics_total" ["listener"]
        "Requests whose handler panicked.";

    Gauge NODE_PART NodePart "gavel_node_part" ["part", "status"]
        "How each part stands of which `/readyz` tells: 1 for its status (ok, away or missing), 0 for the others.";
    Gauge NODE_DISK_FREE NodeDiskFree "gavel_node_disk_free_bytes" []
        "Bytes that are free on the disk of the data directory.";
    Gauge NODE_DISK_RESERVE NodeDiskReserve "gavel_node_disk_reserve_bytes" []
        "Free bytes below which admission stops, as configured.";

    Counter EDGE_CLICKS EdgeClicks "gavel_edge_clicks_total" ["result"]
        "Clicks redirected to their destination: logged, flagged (logged, but no person) or unlogged.";
    Counter EDGE_FALLBACKS EdgeFallbacks "gavel_edge_fallbacks_total" ["reason", "target"]
        "Clicks that did not reach a destination, by why, and by where they were sent.";
    Counter EDGE_IMPRESSIONS EdgeImpressions "gavel_edge_impressions_total" ["result"]
        "Impressions answered: logged, flagged (logged, but no person), unlogged, or their link unknown or paused.";
    Counter EDGE_PIXELS EdgePixels "gavel_edge_pixels_total" ["result"]
        "Conversion pixels answered: accepted, duplicate, updated, unlogged, invalid, or their campaign unknown.";
    Counter EDGE_EVENTS EdgeEvents "gavel_edge_events_total" ["door", "result"]
        "Events of the API and the tag answered: accepted, duplicate, updated, or why not.";
    Counter EDGE_POSTBACKS EdgePostbacks "gavel_edge_postbacks_total" ["result"]
        "Postbacks answered.";

    Gauge CATALOG_GENERATION CatalogGeneration "gavel_catalog_generation" []
        "The place of the catalog generation in force here in the order of all of them; nodes that differ for longer than a moment do not read the log.";

    Counter ROUTER_REFUSALS RouterRefusals "gavel_router_refusals_total" ["endpoint", "code"]
        "Pings and posts that became neither a quote nor a lead (4xx), by endpoint (ping, post, direct) and code of the problem.";
    Counter ROUTER_REFUSALS_UNLOGGED RouterRefusalsUnlogged "gavel_router_refusals_unlogged_total" []
        "Refusals that the log did not take: they were answered and counted, and are in no table.";

    Histogram(OVERHEAD_BUCKETS) AUCTION_OVERHEAD AuctionOverhead "gavel_auction_overhead_seconds"
        ["endpoint"]
        "Time of a ping or post less the time in which an awaited buyer call was outstanding.";
    Counter AUCTION_ODD_SALES AuctionOddSales "gavel_auction_odd_sales_total" ["flag"]
        "Sales that stand and are odd: price_changed, price_cut, negative_margin; and late_accept, which is never billed.";

    Counter AUCTION_BREAKER_CHANGES AuctionBreakerChanges "gavel_auction_breaker_changes_total"
        ["call", "change"]
        "Breakers of contracts that opened, stayed open because the probe failed, or closed, by the call (ping or post) they keep.";
    Gauge AUCTION_BREAKERS_OPEN AuctionBreakersOpen "gavel_auction_breakers_open" ["call"]
        "Breakers of contracts that are not closed now.";

    Gauge KAFKA_BROKERS_UP KafkaBrokersUp "gavel_kafka_brokers_up" ["client"]
        "Brokers that a client is connected to, by client: producers (leads, events, and those that ship the journals) and consumer groups.";
    Gauge KAFKA_QUEUE KafkaQueue "gavel_kafka_queue_records" ["producer"]
        "Records that wait for Kafka's acknowledgement.";
    Histogram(REQUEST_BUCKETS) KAFKA_ACK_SECONDS KafkaAckSeconds "gavel_kafka_ack_seconds" ["producer"]
        "Time from a record's queueing to its acknowledgement by all in-sync replicas: of every lead record, and of one event in sixteen.";
    Counter KAFKA_FAILURES KafkaFailures "gavel_kafka_failures_total" ["producer"]
        "Records that Kafka did not acknowledge in time, or refused.";
    Gauge KAFKA_AWAY KafkaAway "gavel_kafka_away" []
        "1 while lead records go to the journal in front of Kafka, else 0.";
    Gauge JOURNAL_BACKLOG_RECORDS JournalBacklogRecords "gavel_journal_backlog_records" ["topic"]
        "Records in the journal in front of Kafka that Kafka does not have yet.";
    Gauge JOURNAL_BACKLOG_BYTES JournalBacklogBytes "gavel_journal_backlog_bytes" ["topic"]
        "Bytes of them.";
    Gauge KAFKA_LAG KafkaLag "gavel_kafka_lag_records" ["group"]
        "Records of the partitions that a consumer group's member has and has not read yet.";

    Counter WORKER_RECORDS WorkerRecords "gavel_worker_records_total" ["topic"]
        "Records read from the log and inserted, repeated ones included.";
    Counter WORKER_ROWS WorkerRows "gavel_worker_rows_total" []
        "Rows that ClickHouse acknowledged, repeated ones included.";
    Histogram(REQUEST_BUCKETS) WORKER_BATCH_SECONDS WorkerBatchSeconds
        "gavel_worker_batch_seconds" []
        "Time from a gathered batch to its acknowledged rows.";
    Counter WORKER_FAILURES WorkerFailures "gavel_worker_failures_total" ["step"]
        "Steps that failed and were tried again.";
    Counter WORKER_ANEW WorkerAnew "gavel_worker_anew_journeys_total" []
        "Journeys with conversions whose rows were made anew because the rules of credit and payment had changed.";
    Gauge WORKER_TO_WALK WorkerToWalk "gavel_worker_anew_partitions" []
        "Partitions of this process whose journeys are not all judged by its rules yet; 0 once a change of the rules is in all rows.";
    Counter WORKER_DEAD_LETTERS WorkerDeadLetters "gavel_worker_dead_letters_total" ["topic"]
        "Records that could not be read and were kept in the table dead_letters.";
    Gauge WORKER_LAG WorkerLag "gavel_worker_lag_records" []
        "Records of the log that are not yet in the tables.";
    Histogram(FRESHNESS_BUCKETS) WORKER_FRESHNESS WorkerFreshness
        "gavel_worker_freshness_seconds" ["topic"]
        "Time from an event, a quote or a lead's outcome to its acknowledged row, each one, repeated ones included.";
    Counter WORKER_AUDITED WorkerAudited "gavel_worker_audited_ranges_total" ["topic", "result"]
        "Ranges of the log that were compared with the tables after their rows were acknowledged: complete, or different (the log line names the range).";
    Gauge WORKER_AUDIT_DIFFERENCE WorkerAuditDifference "gavel_worker_audit_difference_rows"
        ["table"]
        "Rows that the ranges compared since the start should have in a table and have not; anything but 0 is a loss to look into.";
    Gauge WORKER_IN_DOUBT WorkerInDoubt "gavel_worker_in_doubt_legs" []
        "Legs of the last 30 days that are in doubt, test leads left out, as the tables have them; asked every minute.";
    Gauge WORKER_IN_DOUBT_OLDEST WorkerInDoubtOldest "gavel_worker_in_doubt_oldest_seconds" []
        "Age of the oldest of them; 0 if there is none.";

    Counter NOTIFIER_POSTBACKS NotifierPostbacks "gavel_notifier_postbacks_total" ["result"]
        "Attempts to tell a publisher: told, failed (and tried again later), or dead (the last one failed: see v_postbacks).";
    Histogram(FRESHNESS_BUCKETS) NOTIFIER_TOLD_SECONDS NotifierToldSeconds
        "gavel_notifier_told_seconds" []
        "Time from a change of a conversion to the publisher's acknowledgement.";
    Gauge NOTIFIER_HELD NotifierHeld "gavel_notifier_held_notices" []
        "Notices in memory that wait or are on their way; more may be in the table.";
    Gauge NOTIFIER_OLDEST NotifierOldest "gavel_notifier_oldest_seconds" []
        "Age of the oldest notice in memory that waits; 0 if none does.";
    Counter NOTIFIER_FAILURES NotifierFailures "gavel_notifier_failures_total" ["step"]
        "Reads and writes of table postbacks that failed and were tried again.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_follow_the_rule() {
        let mut seen = BTreeSet::new();
        for metric in Metric::ALL {
            let name = metric.name();
            assert!(seen.insert(name), "{name} twice");
            assert!(name.starts_with("gavel_"), "{name}");
            assert!(metric.help().ends_with('.'), "{name}");
            let counts = matches!(metric.kind(), Kind::Counter);
            assert_eq!(name.ends_with("_total"), counts, "{name}");
            if let Kind::Histogram(buckets) = metric.kind() {
                assert!(
                    name.ends_with("_seconds") || name.ends_with("_bytes"),
                    "{name}"
                );
                assert!(buckets.is_sorted(), "{name}");
            }
        }
    }

    #[test]
    fn the_reference_page_has_all() {
        let mut page = "# Metrics\n\nMade from `crates/telemetry/src/metric.rs`; `/metrics` on the operator \
            port has them in Prometheus' format.\nSeconds and bytes; values of labels are fixed words, never \
            what a client sent.\n\n| metric | kind | labels | meaning |\n|---|---|---|---|\n"
            .to_owned();
        for metric in Metric::ALL {
            let kind = match metric.kind() {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram(_) => "histogram",
            };
            let labels: Vec<String> = metric
                .labels()
                .iter()
                .map(|one| format!("`{one}`"))
                .collect();
            let (name, labels, help) = (metric.name(), labels.join(" "), metric.help());
            page.push_str(&format!("| `{name}` | {kind} | {labels} | {help} |\n"));
        }
        expect_test::expect_file![concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/reference/metrics.md"
        )]
        .assert_eq(&page);
    }

    #[test]
    fn overhead_is_seen_from_a_quarter_of_a_millisecond() {
        let Kind::Histogram(buckets) = Metric::AuctionOverhead.kind() else {
            panic!("not a histogram");
        };
        assert_eq!(buckets.first(), Some(&0.000_25));
    }
}
