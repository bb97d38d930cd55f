//! What the top chooses: where the brokers are, how to come in, and the limits.

use std::path::PathBuf;
use std::time::Duration;

use rdkafka::ClientConfig;
use telemetry::Redacted;

/// Options of the log and the vault on Kafka. The defaults fit a cluster of three brokers.
#[derive(Debug, Clone)]
pub struct KafkaOptions {
    /// Some of the brokers, as `host:port,host:port`; the others are learnt from them.
    pub brokers: String,
    /// What all names of topics and groups begin with.
    pub prefix: String,
    /// Partitions of topics `events` and `leads`. Fixed when the topics are made.
    pub partitions: u16,
    /// Copies of every partition, for topics that are made here.
    pub replicas: u16,
    /// How long records of `events` and `leads` stay.
    pub retention: Duration,
    /// How long the append of an event may wait for its acknowledgement, and a question to Kafka for its
    /// answer.
    pub patience: Duration,
    /// How long the append of a lead record may wait: somebody waits for it.
    pub leads_patience: Duration,
    /// How long an event waits for others to share a batch with.
    pub events_linger: Duration,
    /// Records of each kind that may wait for Kafka; one more is refused.
    pub queue_records: u32,
    /// Bytes of them.
    pub queue_bytes: u32,
    /// Bytes of records that a consumer has read and nobody has taken yet.
    pub prefetch_bytes: usize,
    /// After how long without a sign of life a group gives a member's partitions to others.
    pub session: Duration,
    /// This node's name, the same after a restart: its groups know it again and give it back what it had.
    /// Without one every process is somebody new.
    pub node: Option<String>,
    /// How to come in.
    pub security: Security,
}

/// How to come in.
#[derive(Debug, Clone, Default)]
pub struct Security {
    /// Encryption, and whom to trust.
    pub tls: Option<Tls>,
    /// Who we are.
    pub sasl: Option<Sasl>,
}

/// TLS to the brokers; needs feature `kafka-tls`.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// File with the authorities to trust; none trusts the system's.
    pub authorities: Option<PathBuf>,
    /// Our own certificate and its key, where the brokers ask for one.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// A user.
#[derive(Debug, Clone)]
pub struct Sasl {
    /// How the password is proven.
    pub mechanism: Mechanism,
    /// The user's name.
    pub user: String,
    /// The user's password.
    pub password: Redacted<String>,
}

/// How a password is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// It is sent.
    Plain,
    /// It is not sent; needs feature `kafka-tls`.
    ScramSha256,
    /// Likewise.
    ScramSha512,
}

impl Mechanism {
    /// Its name among the protocol's.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

impl Default for KafkaOptions {
    fn default() -> Self {
        Self {
            brokers: String::new(),
            prefix: "gavel.".to_owned(),
            partitions: 4,
            replicas: 3,
            retention: Duration::from_secs(7 * 24 * 3600),
            patience: Duration::from_secs(5),
            leads_patience: Duration::from_secs(2),
            events_linger: Duration::from_millis(5),
            queue_records: 200_000,
            queue_bytes: 128 << 20,
            prefetch_bytes: 8 << 20,
            session: Duration::from_secs(10),
            node: None,
            security: Security::default(),
        }
    }
}

impl KafkaOptions {
    /// For these brokers.
    pub fn of(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            ..Self::default()
        }
    }

    /// What of these options this build cannot do.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut problem = |wrong: bool, text: &str| {
            if wrong {
                problems.push(text.to_owned());
            }
        };
        let encrypts = cfg!(feature = "kafka-tls");
        let sasl = self.security.sasl.as_ref();
        problem(self.brokers.is_empty(), "no broker is named");
        problem(self.partitions == 0, "there has to be a partition");
        problem(self.replicas == 0, "there has to be a copy");
        problem(
            self.security.tls.is_some() && !encrypts,
            "TLS is not in this build: it takes feature `kafka-tls`",
        );
        problem(
            sasl.is_some_and(|sasl| sasl.mechanism != Mechanism::Plain) && !encrypts,
            "SCRAM is not in this build: it takes feature `kafka-tls`",
        );
        problems
    }

    /// What every client is told; `client` is its name in the brokers' logs.
    pub(crate) fn client(&self, client: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", format!("gavel-{client}"))
            .set("allow.auto.create.topics", "false")
            .set("socket.keepalive.enable", "true")
            .set("socket.nagle.disable", "true")
            .set("socket.timeout.ms", millis(self.patience * 2))
            .set("socket.connection.setup.timeout.ms", millis(self.patience))
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("statistics.interval.ms", "1000");
        let Security { tls, sasl } = &self.security;
        config.set(
            "security.protocol",
            match (tls, sasl) {
                (None, None) => "plaintext",
                (Some(_), None) => "ssl",
                (None, Some(_)) => "sasl_plaintext",
                (Some(_), Some(_)) => "sasl_ssl",
            },
        );
        if let Some(tls) = tls {
            let mut file = |key, path: &PathBuf| config.set(key, path.to_string_lossy()).clone();
            if let Some(authorities) = &tls.authorities {
                file("ssl.ca.location", authorities);
            }
            if let Some((certificate, key)) = &tls.certificate {
                file("ssl.certificate.location", certificate);
                file("ssl.key.location", key);
            }
        }
        if let Some(sasl) = sasl {
            config
                .set("sasl.mechanism", sasl.mechanism.as_str())
                .set("sasl.username", &sasl.user)
                .set("sasl.password", sasl.password.expose());
        }
        config
    }
}

/// As librdkafka writes it.
pub(crate) fn millis(span: Duration) -> String {
    span.as_millis().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_a_build_cannot_do_is_named_at_once() {
        let options = KafkaOptions {
            partitions: 0,
            security: Security {
                tls: Some(Tls::default()),
                sasl: Some(Sasl {
                    mechanism: Mechanism::ScramSha256,
                    user: "gavel".to_owned(),
                    password: Redacted::new("secret".to_owned()),
                }),
            },
            ..KafkaOptions::default()
        };
        let expected = if cfg!(feature = "kafka-tls") { 2 } else { 4 };
        assert_eq!(options.problems().len(), expected);
        assert!(!format!("{options:?}").contains("secret"));
        assert_eq!(
            KafkaOptions::of("localhost:9092").problems(),
            Vec::<String>::new()
        );
    }
}
