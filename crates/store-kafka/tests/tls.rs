//! TLS and a password, which take OpenSSL: `cargo test -p store-kafka --features kafka-tls --test tls`
//! (Debian: libssl-dev pkg-config), with the folder of a broker's jars in `GAVEL_TEST_KAFKA`.
#![cfg(feature = "kafka-tls")]
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use servers::{KAFKA, Kafka, Port};
use store::{Ack, Consumer as _, Delivery, EventLog as _, Replay as _, Topic};
use store_kafka::{KafkaLog, KafkaOptions, Mechanism, OpenError, Sasl, Security, Tls};
use telemetry::{Metrics, Redacted};
use testkit::FakeClock;

/// How long a record may take to its group.
const PATIENCE: Duration = Duration::from_secs(60);

/// A key of the broker's, and a certificate that is its own authority, as `server.pem`.
fn certificate(dir: &Path) {
    let run = |args: &[&str]| {
        let ran = Command::new("keytool").args(args).current_dir(dir).output();
        let ran = ran.unwrap();
        assert!(
            ran.status.success(),
            "{}",
            String::from_utf8_lossy(&ran.stdout)
        );
    };
    let store = [
        "-keystore",
        "server.p12",
        "-storepass",
        "secret",
        "-alias",
        "server",
    ];
    let key = "-genkeypair -keyalg RSA -storetype PKCS12 -validity 30 -dname CN=127.0.0.1 -ext SAN=ip:127.0.0.1";
    let key: Vec<&str> = key.split(' ').chain(store).collect();
    run(&key);
    let export: Vec<&str> = ["-exportcert", "-rfc", "-file", "server.pem"]
        .into_iter()
        .chain(store)
        .collect();
    run(&export);
}

/// The broker learns a password, by a tool of its own.
fn password(jars: &Path, broker: SocketAddr, mechanism: Mechanism) {
    let mut tool = Command::new("java");
    tool.arg("-cp").arg(jars.join("*"));
    tool.args(["kafka.admin.ConfigCommand", "--bootstrap-server"]);
    tool.arg(broker.to_string());
    tool.args([
        "--alter",
        "--entity-type",
        "users",
        "--entity-name",
        "gavel",
    ]);
    let learnt = format!("{}=[password=right]", mechanism.as_str());
    let ran = tool.arg("--add-config").arg(learnt).output().unwrap();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_go_through_tls_for_who_has_the_password_and_trusts_the_broker() {
    let Some(jars) = KAFKA.find() else { return };
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    certificate(dir.path());
    let port = Port::hold().unwrap();
    let secure = port.addr();
    let settings = format!(
        "listeners={{listeners}},SECURE://{secure}
listener.security.protocol.map={{protocols}},SECURE:SASL_SSL
inter.broker.listener.name=PLAINTEXT
ssl.keystore.location={}
ssl.keystore.type=PKCS12
ssl.keystore.password=secret
listener.name.secure.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.secure.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_gavel=\"right\";
listener.name.secure.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secure.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;",
        dir.path().join("server.p12").display()
    );
    let kafka = Kafka::start_with(&jars, &dir.path().join("kafka"), &settings).unwrap();
    let options = |mechanism, password: &str, authorities: Option<&Path>| KafkaOptions {
        replicas: 1,
        node: Some("secure".to_owned()),
        patience: Duration::from_secs(20),
        leads_patience: Duration::from_secs(20),
        security: Security {
            tls: Some(Tls {
                authorities: authorities.map(Path::to_owned),
                certificate: None,
            }),
            sasl: Some(Sasl {
                mechanism,
                user: "gavel".to_owned(),
                password: Redacted::new(password.to_owned()),
            }),
        },
        ..KafkaOptions::of(secure.to_string())
    };
    let open =
        async |options| KafkaLog::open(options, FakeClock::default().port(), Metrics::new()).await;
    let trusted = dir.path().join("server.pem");
    for mechanism in [Mechanism::ScramSha256, Mechanism::ScramSha512] {
        password(&jars, kafka.addr(), mechanism);
    }
    let mut written = 0;
    for mechanism in [
        Mechanism::Plain,
        Mechanism::ScramSha256,
        Mechanism::ScramSha512,
    ] {
        let log = open(options(mechanism, "right", Some(&trusted)))
            .await
            .unwrap();
        let appended = log.append(Topic::Leads, 1, Bytes::from_static(b"lead"), Ack::Durable);
        appended.await.unwrap();
        written += 1;
        let mut replay = log.replay(Topic::Leads).await.unwrap();
        let (_, records) = replay.next().await.unwrap().unwrap();
        assert_eq!(records.len(), written);
        assert!(records.iter().all(|record| &record.payload[..] == b"lead"));
        // The node is known to its group by its name, and goes on where it was.
        let mut consumer = log.subscribe("secure", &[Topic::Leads]).await.unwrap();
        let read = loop {
            match consumer.next(PATIENCE).await.unwrap().unwrap() {
                Delivery::Records {
                    topic,
                    partition,
                    records,
                } => {
                    let next = records.last().unwrap().offset + 1;
                    consumer.commit(&[(topic, partition, next)]).await.unwrap();
                    break records.len();
                }
                Delivery::Assigned { .. } | Delivery::Revoked { .. } => {}
            }
        };
        assert_eq!(read, 1);
        drop(consumer);
        log.close();
        // Who is not let in is told so, and does not wait.
        match open(options(mechanism, "wrong", Some(&trusted))).await {
            Err(OpenError::Problems(refused)) => {
                let why = refused.to_string();
                assert!(why.contains("it does not let us in"), "{why}");
            }
            other => panic!("{:?}", other.err()),
        }
    }
    // Whom we do not trust may be somebody else by and by.
    let stranger = KafkaOptions {
        patience: Duration::from_secs(5),
        ..options(Mechanism::Plain, "right", None)
    };
    match open(stranger).await {
        Err(OpenError::Silent(why)) => assert!(why.contains("certificate"), "{why}"),
        other => panic!("{:?}", other.err()),
    }
}
