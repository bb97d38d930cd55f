//! `cargo xtask faults`: what nodes share goes away, comes back and forgets, and nodes die, longer than the
//! tests of every day have time for.
//!
//! Every fault has one test. `docs/reference/faults.md` lists them, made and checked here.

use anyhow::{Context as _, Result, bail};

use crate::tools::{self, Presence};
use crate::workspace::Workspace;
use crate::{engine, kafka, process};

/// How long a server is away, for tests that ask: see the tests of `gavel`, target `cluster`.
const AWAY: &str = "GAVEL_FAULT_SECONDS";

/// The tests that bring faults about.
const TARGETS: [[&str; 4]; 5] = [
    ["-p", "gavel", "--test", "cluster"],
    ["-p", "store-kafka", "--test", "real"],
    ["-p", "store-redis", "--test", "lost"],
    ["-p", "store-redis", "--test", "roll"],
    ["-p", "gavel", "--test", "engine"],
];

/// Run the tests of faults on real servers, each fault for longer than in `cargo xtask test`
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long a server that is away stays away
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    seconds: u64,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::load()?;
    let root = workspace.root();
    let jars = kafka::ensure(root)?.context("there is no broker to start")?;
    let Presence::Complete = tools::ensure_redis()? else {
        bail!("there is no Redis to start");
    };
    engine::prepare()?;
    process::run(&mut process::cargo(root, ["build", "-p", "gavel"]))?;
    engine::fetch(&workspace.debug_binary("gavel"), root)?;
    for target in TARGETS {
        let mut tests = process::cargo(root, ["test"]);
        tests.args(target).env(kafka::OWN, &jars).env("CI", "true");
        process::run(tests.env(AWAY, args.seconds.to_string()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use crate::mutants::laws::{is_there, shown};

    /// A fault, what holds in it, and the test that brings it about.
    const FAULTS: &[(&str, &str, &str)] = &[
        (
            "Kafka is away under load, for 10 s (60 s in `cargo xtask faults`)",
            "clicks redirect and are shipped later; leads go on through the journal; clients, buyers and \
             ClickHouse agree",
            "-p gavel --test cluster faults::kafka_away_under_load_is_waited_for_in_the_journal",
        ),
        (
            "nodes start while Kafka is away, are killed and start again; Kafka comes, or comes with topics that are \
             not as they have to be",
            "clicks and pixels are taken from the start, by the catalog that was in force last, and are in ClickHouse \
             later; leads and postbacks get 503; `/readyz` says it; what is wrong with the topics ends the node, all of \
             it named",
            "-p gavel --test cluster dark::a_node_starts_while_kafka_is_away_and_what_it_took_is_there_later",
        ),
        (
            "Redis is killed under load and comes back",
            "claims and caps fail closed (503) until they are made again; clients, buyers and ClickHouse \
             agree",
            "-p gavel --test cluster faults::redis_killed_under_load_is_made_again_and_nothing_is_sold_twice",
        ),
        (
            "nodes are exchanged one after the other under load",
            "no request fails beyond a 503 that says when to come again",
            "-p gavel --test cluster faults::nodes_are_exchanged_one_after_the_other_and_no_request_fails",
        ),
        (
            "a router is killed for good while a cap fills",
            "never more sold and pinned than the cap; at the end exactly the cap; every lead ends",
            "-p gavel --test cluster gone::a_cap_is_met_to_the_unit_though_a_router_dies",
        ),
        (
            "a router is killed for good between its claim to post a lead and the log's first record of it",
            "once its lease is over and the log is folded, its key and its unit are anybody's; not while a node may \
             have that record in its journal",
            "-p store-redis --test roll a_lead_that_was_claimed_and_never_recorded_may_come_again",
        ),
        (
            "a node is away while the catalog is changed; two nodes change it at once",
            "every node ends at the generation that the log has last, from its first request on",
            "-p gavel --test cluster catalog::what_one_node_is_told_all_obey_in_one_order",
        ),
        (
            "a node is killed whose worker has partitions",
            "the other goes on from what was committed; reports and credits are as if there had been one",
            "-p gavel --test cluster workers::a_worker_that_is_killed_is_followed_by_the_other",
        ),
        (
            "a worker comes, goes and comes under load: partitions move in mid-batch",
            "reports and credits are as if there had been one",
            "-p gavel --test cluster workers::partitions_go_to_a_worker_that_comes_and_back_when_it_leaves",
        ),
        (
            "ClickHouse's answers are lost after it has done the insert; a worker is killed between state and \
             insert, another between insert and commit; rows are taken away by hand; the log is read again from \
             its beginning",
            "clients, buyers and ClickHouse agree; the auditor finds what was taken away and nothing else; after \
             the replay it is back, and every other row of every report is as it was",
            "-p gavel --test cluster once::rows_are_there_once_though_answers_are_lost_and_workers_die_and_all_is_read_again",
        ),
        (
            "a worker is stopped in mid-insert until another has its partitions, and goes on",
            "what it writes and commits then changes no report; clients, buyers and ClickHouse agree",
            "-p gavel --test cluster once::a_worker_that_comes_back_when_another_has_its_partitions_changes_nothing",
        ),
        (
            "eight workers migrate at the same moment",
            "each finds its tables, and nothing is done twice",
            "-p gavel --test engine remote::eight_workers_migrate_at_once_and_each_finds_its_tables",
        ),
        (
            "one key at two nodes at once; a quote of one posted through the other",
            "one lead, one sale, one answer",
            "-p gavel --test cluster nodes::two_nodes_are_one_service",
        ),
        (
            "the broker is killed under appends",
            "every acknowledged record is there, in order",
            "-p store-kafka --test real a_killed_broker_loses_nothing_that_was_acknowledged",
        ),
        (
            "the broker hangs",
            "an append waits no longer than its patience",
            "-p store-kafka --test real a_stopped_broker_is_waited_for_no_longer_than_patience",
        ),
        (
            "there is no broker at all",
            "appends are refused at once, and the log closes",
            "-p store-kafka --test real without_a_broker_nobody_waits_in_vain_and_the_log_closes",
        ),
        (
            "the process is killed with records in its journal",
            "what was acknowledged is shipped by the next, in order",
            "-p store-kafka --test real a_killed_process_loses_nothing_that_it_acknowledged",
        ),
        (
            "the journal is full",
            "new work is refused, and it says so",
            "-p store-kafka --test real a_full_journal_refuses_what_is_new_and_says_so",
        ),
        (
            "a member leaves its group in mid-batch",
            "another is handed what it did not commit, from there",
            "-p store-kafka --test real who_leaves_in_mid_batch_leaves_what_it_did_not_commit",
        ),
        (
            "a member is killed, and is back before its session is over, or is not",
            "it has its partitions again and no other is disturbed; or others have them",
            "-p store-kafka --test real who_is_killed_has_its_partitions_again_if_it_comes_back_and_loses_them_if_not",
        ),
        (
            "members come and leave at any moment of a rebalance",
            "nobody waits for them until a session is over",
            "-p store-kafka --test real who_leaves_is_not_waited_for_whenever_it_does",
        ),
        (
            "two processes go by one node's name",
            "each has partitions of its own, and neither takes them from the other again and again",
            "-p store-kafka --test real two_processes_of_one_name_do_not_take_the_partitions_from_each_other_for_ever",
        ),
        (
            "a consumer is slow",
            "it is paused, not forgotten, and misses nothing",
            "-p store-kafka --test real who_reads_slowly_is_paused_and_misses_nothing",
        ),
        (
            "a slow consumer loses partitions while it is paused, and gets them back",
            "it reads on where the group is",
            "-p store-kafka --test real what_was_paused_when_it_was_lost_is_read_when_it_comes_back",
        ),
        (
            "a group comes back after the log's retention",
            "it begins at what is left, and says what is gone",
            "-p store-kafka --test real who_comes_back_after_retention_begins_at_what_is_left",
        ),
        (
            "a person is erased at one node",
            "no node gives the key away",
            "-p store-kafka --test real what_one_node_erased_no_node_gives_away",
        ),
        (
            "Kafka compacts the vault and the catalog",
            "what was erased goes from its disks and nothing else does; who reads from the beginning knows the same",
            "-p store-kafka --test real compaction_takes_what_was_erased_and_nothing_else",
        ),
        (
            "Redis is killed under load and keeps its files",
            "counters, pins, keys, answers and used quotes are what the log says; no cap is passed",
            "-p store-redis --test lost killed_under_load_with_its_files",
        ),
        (
            "Redis is killed under load and loses its files",
            "the same",
            "-p store-redis --test lost killed_under_load_without_files",
        ),
        (
            "Redis hangs under load",
            "calls fail within their time, and nothing is left behind",
            "-p store-redis --test lost stopped_under_load",
        ),
        (
            "Redis was exchanged for an empty one",
            "it is found out before it is used",
            "-p store-redis --test lost what_was_lost_is_not_trusted",
        ),
        (
            "Redis is killed while a node that is gone has lead records in its journal that Kafka has not",
            "nothing is made again, and nothing sold, until that node is heard and has shipped them, or an operator \
             gives it up",
            "-p store-redis --test roll who_has_lead_records_that_the_log_has_not_is_waited_for",
        ),
        (
            "Redis loses its files, and the log has lost its beginning",
            "caps without an end are shut until somebody has counted them; others go on",
            "-p store-redis --test roll a_cap_without_an_end_that_cannot_be_counted_is_shut",
        ),
        (
            "Redis is full",
            "it refuses, and forgets nothing",
            "-p store-redis --test lost a_full_server_refuses_and_forgets_nothing",
        ),
        (
            "Redis would evict",
            "it is refused at the start",
            "-p store-redis --test lost a_server_that_evicts_is_refused",
        ),
        (
            "two workers on one partition for a moment",
            "one after the other; what is learnt twice is known once",
            "-p store-redis --test lost two_workers_on_one_partition_are_one_after_the_other",
        ),
        (
            "journeys are lost",
            "they are applied again from the log",
            "-p store-redis --test lost lost_journeys_are_restored_from_the_log",
        ),
        (
            "journeys are lost, and the log has lost its beginning",
            "what the log has is applied again; that more is missing every node says",
            "-p store-redis --test lost journeys_that_are_older_than_the_log_are_missed",
        ),
        (
            "the embedded ClickHouse is killed under a client's inserts, round after round",
            "every row whose INSERT was acknowledged is there, once, and each INSERT is there whole or not at all",
            "-p gavel --test engine crash::acknowledged_rows_survive_kill_9",
        ),
        (
            "the tables are lost, and come back from a backup of before",
            "the service sees that, reads its log again, and they hold what they held; nothing of it counts again",
            "-p gavel --test operation restored::a_service_goes_on_from_restored_tables_and_reads_the_rest_from_its_log",
        ),
        (
            "tables come back from a backup of before days later, when leads of since then are forgotten",
            "their rows are what they were once the log is read again",
            "-p worker --test laws restored::tables_that_lost_rows_long_ago_are_what_they_were_once_the_log_is_read_again",
        ),
        (
            "a file of a backup of the tables is bent or missing, or the backup was not finished",
            "nothing is restored from it, and nothing is left behind",
            "-p gavel --test engine backups::what_is_damaged_or_in_the_way_is_refused",
        ),
        (
            "ClickHouse is killed again and again under inserts",
            "every row is there once",
            "-p gavel --test engine worker::everything_is_there_once_although_the_engine_was_killed_again_and_again",
        ),
    ];

    #[test]
    fn every_fault_has_its_test() {
        let mut page = "# Faults\n\nMade from the list in `crates/xtask/src/faults.rs`. All run in `cargo xtask test`, on \
            real servers that the tests\nstart themselves; `cargo xtask faults` runs them again with servers \
            that are away for longer.\n\n| fault | what holds | seen by |\n|---|---|---|\n"
            .to_owned();
        for (fault, holds, test) in FAULTS {
            assert!(is_there(test), "there is no test {test}");
            writeln!(page, "| {fault} | {holds} | {} |", shown(test)).unwrap();
        }
        expect_test::expect_file![concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/reference/faults.md"
        )]
        .assert_eq(&page);
    }
}
