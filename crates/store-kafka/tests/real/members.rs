//! Members of a group that come and go: whose partitions are whose, and after how long.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use store_kafka::KafkaOptions;

use crate::broker;
use crate::group::{LOOK, Member, PARTITIONS, shared};

/// No wait in these tests is longer.
const SOON: Duration = Duration::from_secs(60);
/// What a member that is not waited for does not cost: far more than all else that happens here takes.
const SESSION: Duration = Duration::from_secs(30);

/// What the child is told.
const PREFIX: &str = "GAVEL_TEST_MEMBER_PREFIX";
const BROKER: &str = "GAVEL_TEST_MEMBER_BROKER";
const NODE: &str = "GAVEL_TEST_MEMBER_NODE";
const LIVES: &str = "GAVEL_TEST_MEMBER_SESSION";

/// As a node of this name, or one without.
async fn join(options: &KafkaOptions, node: Option<&str>) -> Member {
    let options = KafkaOptions {
        node: node.map(str::to_owned),
        ..options.clone()
    };
    Member::join(broker::open(&options).await, "members").await
}

/// The other process of these tests; it does nothing unless it is told where. It ends in order with its input.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(broker) = std::env::var(BROKER) else {
        return;
    };
    let told = |name: &str| std::env::var(name).unwrap();
    let options = KafkaOptions {
        session: Duration::from_millis(told(LIVES).parse().unwrap()),
        ..broker::options(&broker, &told(PREFIX))
    };
    let mut member = join(&options, Some(&told(NODE))).await;
    loop {
        member.look(SOON).await;
        let has: Vec<String> = member.has.iter().map(u16::to_string).collect();
        let line = format!("has {}\n", has.join(" "));
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    }
}

/// A member in a process of its own; killed when dropped.
struct Other {
    child: Child,
    says: BufReader<ChildStdout>,
}

impl Other {
    fn start(options: &KafkaOptions, node: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "members::child", "--nocapture"])
            .env(BROKER, &options.brokers)
            .env(PREFIX, &options.prefix)
            .env(NODE, node)
            .env(LIVES, options.session.as_millis().to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let says = BufReader::new(child.stdout.take().unwrap());
        Self { child, says }
    }

    /// Waits until it has so many partitions.
    fn has(&mut self, many: usize) -> BTreeSet<u16> {
        loop {
            let mut line = String::new();
            assert_ne!(self.says.read_line(&mut line).unwrap(), 0, "it has ended");
            if let Some(has) = line.strip_prefix("has ") {
                let has = has.split_whitespace().map(|it| it.parse().unwrap());
                let has: BTreeSet<u16> = has.collect();
                if has.len() == many {
                    return has;
                }
            }
        }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_killed_has_its_partitions_again_if_it_comes_back_and_loses_them_if_not() {
    let Some(options) = broker::topics() else {
        return;
    };
    let options = KafkaOptions {
        session: Duration::from_secs(12),
        ..options
    };
    let mut stays = join(&options, Some("stays")).await;
    while stays.has.len() < PARTITIONS {
        stays.look(SOON).await;
    }
    let mut goes = Other::start(&options, "goes");
    while stays.has.len() > PARTITIONS / 2 {
        stays.look(SOON).await;
    }
    let has = goes.has(PARTITIONS / 2);
    let before = stays.changes;

    // It is somebody that the group knows: it does not wait until it is taken for dead, and nobody else hears of it.
    drop(goes);
    let killed = Instant::now();
    let mut again = Other::start(&options, "goes");
    assert_eq!(again.has(PARTITIONS / 2), has);
    let took = killed.elapsed();
    assert!(took < options.session * 3 / 4, "{took:?}");
    stays.look(LOOK).await;
    assert_eq!(stays.changes, before);

    drop(again);
    let began = Instant::now();
    while stays.has.len() < PARTITIONS {
        stays.look(SOON).await;
        assert!(began.elapsed() < SOON, "{:?}", stays.has);
    }
    stays.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_is_not_waited_for_whenever_it_does() {
    let Some(options) = broker::topics() else {
        return;
    };
    let options = KafkaOptions {
        session: SESSION,
        ..options
    };
    let mut stays = [join(&options, Some("stays")).await];
    shared(&mut stays).await;
    // With its partitions, before it has any, and while another comes.
    for (round, waits) in [2000, 0, 300].into_iter().enumerate() {
        for node in [Some(format!("guest-{round}")), None] {
            let guest = join(&options, node.as_deref()).await;
            let began = Instant::now();
            while began.elapsed() < Duration::from_millis(waits) {
                stays[0].look(LOOK).await;
            }
            let other = join(&options, Some("other")).await;
            let left = Instant::now();
            tokio::join!(guest.leave(), other.leave());
            let left = left.elapsed();
            let took = shared(&mut stays).await;
            println!("{node:?} after {waits} ms: left in {left:?}, shared in {took:?}");
            assert!(
                left + took < SESSION / 2,
                "{node:?} after {waits} ms: {took:?}"
            );
        }
    }
    let [stays] = stays;
    stays.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_of_one_name_do_not_take_the_partitions_from_each_other_for_ever() {
    let Some(options) = broker::topics() else {
        return;
    };
    let options = KafkaOptions {
        session: SESSION,
        ..options
    };
    let one = join(&options, Some("twin")).await;
    let mut both = [one];
    shared(&mut both).await;
    let [one] = both;
    let mut both = [one, join(&options, Some("twin")).await];
    shared(&mut both).await;
    let before: usize = both.iter().map(|it| it.changes).sum();
    for member in &mut both {
        member.look(Duration::from_secs(3)).await;
    }
    assert_eq!(both.iter().map(|it| it.changes).sum::<usize>(), before);
    let [one, other] = both;
    tokio::join!(one.leave(), other.leave());
}
