//! What a ClickHouse server has and a child process has not: many who migrate at once, replicas, TLS, and
//! answers that are lost. The embedded engine stands in; `GAVEL_TEST_CLICKHOUSE_URL` names a server to try the
//! same on, where tables are made in databases of their own, which are dropped.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use warehouse::{Address, Batch, Class, EventRow, Events, Layout, Table, Time, Warehouse, schema};

use crate::server::Server;

const DAY: Duration = Duration::from_secs(86_400);

/// A server, and a database of the test's own on it.
struct Remote {
    url: String,
    database: String,
    /// None where it is somebody's.
    _own: Option<(Server, tempfile::TempDir)>,
}

impl Remote {
    /// None where there is neither a server nor the engine.
    fn find(database: &str) -> Option<Self> {
        let database = format!("gavel_test_{database}_{}", std::process::id());
        if let Ok(url) = std::env::var("GAVEL_TEST_CLICKHOUSE_URL") {
            return Some(Self {
                url,
                database,
                _own: None,
            });
        }
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(dir.path())?;
        Some(Self {
            url: format!("http://{}", server.address),
            database,
            _own: Some((server, dir)),
        })
    }

    fn warehouse(&self) -> Warehouse {
        self.at(&self.url, None)
    }

    fn at(&self, url: &str, authorities: Option<&[u8]>) -> Warehouse {
        let user = std::env::var("GAVEL_TEST_CLICKHOUSE_USER");
        let password = std::env::var("GAVEL_TEST_CLICKHOUSE_PASSWORD");
        let address = Address {
            user: user.as_deref().unwrap_or("default"),
            password: password.as_deref().unwrap_or(""),
            authorities,
            ..Address::new(url, &self.database)
        };
        Warehouse::connect(address).unwrap()
    }

    async fn drop(self) {
        let sql = format!("DROP DATABASE `{}` SYNC", self.database);
        self.warehouse().execute(&sql).await.unwrap();
    }
}

fn events(ids: &[&str], name: Option<&str>) -> Batch {
    let mut events = Events::default();
    for id in ids {
        let row = EventRow {
            event_id: (*id).into(),
            ts: Time(1_800_000_000_000_000),
            ..EventRow::default()
        };
        events.push(&row);
    }
    Batch {
        name: name.map(str::to_owned),
        events,
        ..Batch::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_workers_migrate_at_once_and_each_finds_its_tables() {
    let Some(remote) = Remote::find("eight") else {
        return;
    };
    let workers = (0..8).map(|worker| {
        let warehouse = remote.warehouse();
        tokio::spawn(async move {
            warehouse.migrate().await.unwrap();
            warehouse.is_migrated().await.unwrap();
            let id = format!("ev_{worker}");
            warehouse.insert(&events(&[&id], None)).await.unwrap();
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    let warehouse = remote.warehouse();
    assert_eq!(warehouse.migrate().await.unwrap(), 0);
    for (table, rows) in warehouse.row_counts().await.unwrap() {
        let wanted = if table == Table::Events { 8 } else { 0 };
        assert_eq!(rows, wanted, "{}", table.view());
    }
    remote.drop().await;
}

#[tokio::test]
async fn every_statement_for_replicas_is_one_that_clickhouse_reads() {
    let Some(remote) = Remote::find("reads") else {
        return;
    };
    let warehouse = remote.warehouse();
    warehouse.migrate().await.unwrap();
    for layout in [Layout::One, Layout::Cluster, Layout::Database] {
        for statement in schema(layout) {
            let quoted = statement.replace('\\', "\\\\").replace('\'', "\\'");
            let read = format!("SELECT length(formatQuery('{quoted}'))");
            let read = warehouse.count(&read).await;
            assert!(read.is_ok_and(|length| length > 0), "{statement}");
        }
    }
    // Where somebody waits for replicas and there are none, nothing is wrong.
    let shards = "SELECT uniqExact(shard_num) FROM system.clusters WHERE cluster IN \
        (SELECT substitution FROM system.macros WHERE macro = 'cluster')";
    assert!(warehouse.count(shards).await.unwrap() < 2);
    for setting in [
        "distributed_ddl_output_mode = 'null_status_on_timeout', distributed_ddl_task_timeout = 20",
        "insert_quorum = 'auto', insert_quorum_timeout = 60000",
    ] {
        let select = format!("SELECT toUInt64(1) SETTINGS {setting}");
        assert_eq!(warehouse.count(&select).await.unwrap(), 1, "{setting}");
    }
    remote.drop().await;
}

/// Where inserts are remembered, as replicated tables do, one that comes again is dropped, and rows that
/// come again in another are not, though they are the same.
#[tokio::test]
async fn a_batch_that_comes_again_is_there_once_and_rows_that_were_deleted_come_back() {
    let Some(remote) = Remote::find("again") else {
        return;
    };
    let warehouse = remote.warehouse();
    warehouse.migrate().await.unwrap();
    let remember = "ALTER TABLE events MODIFY SETTING non_replicated_deduplication_window = 100";
    warehouse.execute(remember).await.unwrap();
    // What is not merged stays to be counted.
    warehouse
        .execute("SYSTEM STOP MERGES events")
        .await
        .unwrap();
    let rows = async || warehouse.count("SELECT count() FROM events").await.unwrap();

    warehouse
        .insert(&events(&["a", "b"], Some("1-0")))
        .await
        .unwrap();
    warehouse
        .insert(&events(&["a", "b"], Some("1-0")))
        .await
        .unwrap();
    assert_eq!(rows().await, 2, "its answer was lost");
    warehouse
        .insert(&events(&["a", "b"], Some("1-1")))
        .await
        .unwrap();
    assert_eq!(rows().await, 4, "another batch");

    warehouse.execute("TRUNCATE TABLE events").await.unwrap();
    warehouse
        .insert(&events(&["a", "b"], Some("2-0")))
        .await
        .unwrap();
    assert_eq!(rows().await, 2, "a replay");
    remote.drop().await;
}

#[tokio::test]
async fn rows_stay_as_long_as_is_said_and_money_for_ever() {
    let Some(remote) = Remote::find("stay") else {
        return;
    };
    let warehouse = remote.warehouse();
    warehouse.migrate().await.unwrap();
    let old = EventRow {
        event_id: "ev_old".into(),
        ts: Time(1_500_000_000_000_000),
        ..EventRow::default()
    };
    let mut batch = events(&["ev_new"], None);
    batch.events.push(&old);
    warehouse.insert(&batch).await.unwrap();
    let rule = async |table: &str| {
        let sql = format!(
            "SELECT toUInt64(toUInt32OrZero(extract(engine_full, 'toIntervalSecond\\((\\\\d+)\\)'))) \
             FROM system.tables WHERE database = currentDatabase() AND name = '{table}'"
        );
        warehouse.count(&sql).await.unwrap()
    };
    let spans = |days: Option<u32>| {
        let span = days.map(|days| DAY * days);
        [Table::Events, Table::Refusals, Table::Leads].map(|table| (table, span))
    };
    for days in [None, Some(90), Some(90), Some(60)] {
        warehouse.keep(&spans(days)).await.unwrap();
        let seconds = u64::from(days.unwrap_or(0)) * 86_400;
        assert_eq!(rule("events").await, seconds);
        assert_eq!(rule("refusals").await, seconds);
        assert_eq!(rule("leads").await, 0);
    }
    let gone = "OPTIMIZE TABLE events FINAL";
    warehouse.execute(gone).await.unwrap();
    let left = "SELECT count() FROM v_events WHERE event_id = 'ev_new'";
    assert_eq!(warehouse.count(left).await.unwrap(), 1);
    assert_eq!(
        warehouse
            .count("SELECT count() FROM v_events")
            .await
            .unwrap(),
        1
    );
    warehouse.keep(&spans(None)).await.unwrap();
    assert_eq!(rule("events").await, 0);
    remote.drop().await;
}

/// A key, and a certificate that is its own authority, as `key.pem` and `cert.pem`.
fn certificate(dir: &Path) {
    let make = "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 30 -subj /CN=localhost \
        -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE";
    let mut openssl = Command::new("openssl");
    let made = openssl
        .args(make.split_whitespace())
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
}

/// TLS in front of `behind`, until the test ends.
async fn tls(dir: &Path, behind: SocketAddr) -> SocketAddr {
    let certificate = CertificateDer::from_pem_file(dir.join("cert.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(dir.join("key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Who does not trust it hangs up.
                let Ok(mut client) = acceptor.accept(stream).await else {
                    return;
                };
                let mut server = TcpStream::connect(behind).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_go_through_tls_to_a_server_that_is_trusted_and_to_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(&dir.path().join("data")) else {
        return;
    };
    let behind = server.address;
    let remote = Remote {
        url: String::new(),
        database: "gavel".to_owned(),
        _own: None,
    };
    certificate(dir.path());
    let front = tls(dir.path(), behind).await;
    let url = format!("https://{front}");
    let pem = std::fs::read(dir.path().join("cert.pem")).unwrap();

    let trusting = remote.at(&url, Some(&pem));
    trusting.migrate().await.unwrap();
    trusting.insert(&events(&["a"], Some("1-0"))).await.unwrap();
    assert_eq!(
        trusting
            .count("SELECT count() FROM v_events")
            .await
            .unwrap(),
        1
    );

    let careful = remote.at(&url, None);
    let refused = careful.ping().await.unwrap_err();
    assert_eq!(refused.class(), Class::Transient);
    assert!(refused.to_string().contains("UnknownIssuer"), "{refused}");
    // What is named another way is another server.
    let elsewhere = format!("https://localhost:{}", front.port());
    let refused = remote.at(&elsewhere, Some(&pem)).ping().await.unwrap_err();
    assert!(
        refused.to_string().contains("not valid for name"),
        "{refused}"
    );
    server.terminate();
}
