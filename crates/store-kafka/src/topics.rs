//! Topics at the start: what is missing is made, what is there is checked, and everything that is wrong
//! is said at once.

use std::collections::HashMap;
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::Client;
use rdkafka::error::RDKafkaErrorCode;

use crate::error::{OpenError, Problems, during};
use crate::names::{Kept, Layout, layouts};
use crate::options::millis;
use crate::watch::Watch;
use crate::{KafkaOptions, vault};

/// How long one question to the brokers may take, at least: a start may wait longer than an append.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks for a topic that was just made.
const LOOK: Duration = Duration::from_millis(50);

/// Makes what is missing and checks the rest. Blocks now and then.
pub(crate) async fn prepare(options: &KafkaOptions, watch: Watch) -> Result<(), OpenError> {
    let patience = options.patience.max(PATIENCE);
    let asked = AdminOptions::new()
        .request_timeout(Some(patience))
        .operation_timeout(Some(patience));
    let admin: AdminClient<Watch> = options
        .client("admin")
        .create_with_context(watch)
        .map_err(during("set up a client"))?;
    let layouts = layouts(options);
    make(options, &admin, &asked, &layouts).await?;

    let there = find(admin.inner(), &layouts, patience).await?;
    let names = layouts.iter().map(|it| ResourceSpecifier::Topic(&it.name));
    let names: Vec<_> = names.collect();
    let described = admin.describe_configs(&names, &asked).await;
    let described = described.map_err(during("read the topics' settings"))?;

    let mut found = Found::default();
    for (layout, config) in layouts.iter().zip(described) {
        let There {
            partitions,
            replicas,
        } = there.get(&layout.name).copied().unwrap_or_default();
        match config {
            Ok(config) => found.look(layout, partitions, replicas, &config),
            Err(code) => found.wrong(layout, format!("its settings cannot be read: {code}")),
        }
    }
    for weak in &found.weak {
        tracing::warn!("kafka: {weak}");
    }
    match found.wrong.is_empty() {
        true => Ok(()),
        false => Err(OpenError::Problems(Problems(found.wrong))),
    }
}

async fn make(
    options: &KafkaOptions,
    admin: &AdminClient<Watch>,
    asked: &AdminOptions,
    layouts: &[Layout],
) -> Result<(), OpenError> {
    let settings: Vec<_> = layouts.iter().map(settings).collect();
    let topics = layouts.iter().zip(&settings).map(|(layout, settings)| {
        let copies = TopicReplication::Fixed(i32::from(options.replicas));
        let topic = NewTopic::new(&layout.name, i32::from(layout.partitions), copies);
        settings
            .iter()
            .fold(topic, |topic, (key, value)| topic.set(key, value))
    });
    let topics: Vec<_> = topics.collect();
    let made = admin.create_topics(&topics, asked).await;
    let mut problems = Vec::new();
    for made in made.map_err(during("make the topics"))? {
        match made {
            Ok(name) => tracing::info!(topic = name, "topic made"),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => problems.push(format!("topic {name} cannot be made: {code}")),
        }
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(OpenError::Problems(Problems(problems))),
    }
}

/// How a topic is laid out.
#[derive(Debug, Clone, Copy, Default)]
struct There {
    partitions: usize,
    /// Of the partition with the fewest.
    replicas: usize,
}

/// How the topics are laid out, as soon as all of them are there: the brokers hear of a new one a moment
/// after it was made.
async fn find(
    client: &Client<Watch>,
    layouts: &[Layout],
    patience: Duration,
) -> Result<HashMap<String, There>, OpenError> {
    let looks = patience.as_millis() / LOOK.as_millis();
    let mut there = HashMap::new();
    for _ in 0..looks.max(1) {
        let metadata = client.fetch_metadata(None, patience);
        let metadata = metadata.map_err(during("read the topics' partitions"))?;
        there = metadata
            .topics()
            .iter()
            .map(|topic| {
                let replicas = topic.partitions().iter().map(|it| it.replicas().len());
                let there = There {
                    partitions: topic.partitions().len(),
                    replicas: replicas.min().unwrap_or(0),
                };
                (topic.name().to_owned(), there)
            })
            .collect();
        let known = |layout: &Layout| there.get(&layout.name).is_some_and(|it| it.partitions > 0);
        if layouts.iter().all(known) {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(there)
}

/// The settings of a topic that is made here.
fn settings(layout: &Layout) -> Vec<(&'static str, String)> {
    let mut settings = vec![("max.message.bytes", layout.largest.to_string())];
    match &layout.kept {
        Kept::For(millis) => {
            settings.push(("cleanup.policy", "delete".to_owned()));
            settings.push(("retention.ms", millis.clone()));
        }
        Kept::Compacted => settings.push(("cleanup.policy", "compact".to_owned())),
        Kept::Erasable => {
            settings.push(("cleanup.policy", "compact".to_owned()));
            settings.push(("max.compaction.lag.ms", millis(vault::LONGEST)));
            settings.push(("segment.ms", millis(vault::LONGEST)));
            settings.push(("delete.retention.ms", millis(vault::MARKS)));
        }
    }
    settings
}

/// What is not as it should be.
#[derive(Debug, Default)]
struct Found {
    /// It loses records, or puts them where nobody looks for them.
    wrong: Vec<String>,
    /// It works, and survives less than it could.
    weak: Vec<String>,
}

impl Found {
    fn wrong(&mut self, layout: &Layout, text: String) {
        self.wrong.push(format!("topic {}: {text}", layout.name));
    }

    fn weak(&mut self, layout: &Layout, text: String) {
        self.weak.push(format!("topic {}: {text}", layout.name));
    }

    /// A mark that is gone too soon brings a key back on a node that was away; one that is compacted late
    /// leaves it on a disk.
    fn look_at_erasure(&mut self, layout: &Layout, marks: &str, lag: &str) {
        let millis = |span: Duration| span.as_millis() as u64;
        if marks.parse().is_ok_and(|is: u64| is < millis(vault::MARKS)) {
            let least = millis(vault::MARKS);
            self.wrong(
                layout,
                format!("delete.retention.ms is {marks}, less than {least}"),
            );
        }
        if lag.parse().is_ok_and(|is: u64| is > millis(vault::LONGEST)) {
            self.weak(
                layout,
                format!("max.compaction.lag.ms is {lag}: an erased key stays on disks as long"),
            );
        }
    }

    fn look(&mut self, layout: &Layout, partitions: usize, replicas: usize, is: &ConfigResource) {
        let is: HashMap<&str, &str> = is
            .entries
            .iter()
            .filter_map(|entry| Some((entry.name.as_str(), entry.value.as_deref()?)))
            .collect();
        let text = |key| is.get(key).copied().unwrap_or_default();
        let number = |key| text(key).parse::<i64>().ok();
        if partitions != usize::from(layout.partitions) {
            self.wrong(
                layout,
                format!("it has {partitions} partitions, not {}", layout.partitions),
            );
        }
        let policy = text("cleanup.policy");
        match &layout.kept {
            Kept::For(millis) => {
                if policy != "delete" {
                    self.wrong(layout, format!("cleanup.policy is {policy}, not delete"));
                }
                let kept = number("retention.ms").filter(|kept| *kept >= 0);
                if kept.is_some_and(|kept| millis.parse().is_ok_and(|least: i64| kept < least)) {
                    let kept = text("retention.ms");
                    self.wrong(
                        layout,
                        format!("retention.ms is {kept}, less than the {millis} asked for"),
                    );
                }
                if number("retention.bytes").is_some_and(|bytes| bytes >= 0) {
                    let bytes = text("retention.bytes");
                    self.weak(
                        layout,
                        format!("retention.bytes is {bytes}: it may cut what is not old enough"),
                    );
                }
            }
            Kept::Compacted | Kept::Erasable => {
                if policy != "compact" {
                    self.wrong(layout, format!("cleanup.policy is {policy}, not compact"));
                }
                if layout.kept == Kept::Erasable {
                    self.look_at_erasure(
                        layout,
                        text("delete.retention.ms"),
                        text("max.compaction.lag.ms"),
                    );
                }
            }
        }
        if number("max.message.bytes").is_some_and(|most| most < layout.largest as i64) {
            let most = text("max.message.bytes");
            self.wrong(
                layout,
                format!("max.message.bytes is {most}, less than {}", layout.largest),
            );
        }
        let in_sync = text("min.insync.replicas");
        if replicas < 2 {
            self.weak(layout, "there is one copy: a lost disk loses it".to_owned());
        } else if number("min.insync.replicas").is_some_and(|least| least < 2) {
            self.weak(
                layout,
                format!(
                    "min.insync.replicas is {in_sync}: a record is acknowledged with one copy alone"
                ),
            );
        }
        if text("unclean.leader.election.enable") == "true" {
            self.weak(
                layout,
                "unclean.leader.election.enable is true: acknowledged records may be lost"
                    .to_owned(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::admin::{ConfigEntry, ConfigSource, OwnedResourceSpecifier};

    use super::*;

    fn found(layout: &Layout, replicas: usize, settings: &[(&str, &str)]) -> Found {
        let entries = settings.iter().map(|(name, value)| ConfigEntry {
            name: (*name).to_owned(),
            value: Some((*value).to_owned()),
            source: ConfigSource::DynamicTopic,
            is_read_only: false,
            is_default: false,
            is_sensitive: false,
        });
        let config = ConfigResource {
            specifier: OwnedResourceSpecifier::Topic(layout.name.clone()),
            entries: entries.collect(),
        };
        let mut found = Found::default();
        found.look(layout, usize::from(layout.partitions), replicas, &config);
        found
    }

    #[test]
    fn what_loses_records_is_wrong_and_what_survives_less_is_weak() {
        let layouts = layouts(&KafkaOptions::of("localhost:9092"));
        let [events, _, catalog, vault] = &layouts[..] else {
            panic!("{layouts:?}")
        };
        let good = found(
            events,
            3,
            &[
                ("cleanup.policy", "delete"),
                ("retention.ms", "-1"),
                ("max.message.bytes", "2000000"),
                ("min.insync.replicas", "2"),
            ],
        );
        assert_eq!((good.wrong.len(), good.weak.len()), (0, 0), "{good:?}");
        let weak = found(
            events,
            3,
            &[
                ("cleanup.policy", "delete"),
                ("retention.bytes", "1000"),
                ("min.insync.replicas", "1"),
                ("unclean.leader.election.enable", "true"),
            ],
        );
        assert_eq!((weak.wrong.len(), weak.weak.len()), (0, 3), "{weak:?}");
        assert!(
            weak.weak[1].contains("min.insync.replicas is 1"),
            "{weak:?}"
        );
        let small = [("cleanup.policy", "delete"), ("max.message.bytes", "1000")];
        let bad = found(catalog, 1, &small);
        assert_eq!((bad.wrong.len(), bad.weak.len()), (2, 1), "{bad:?}");
        let forgetful = [
            ("cleanup.policy", "compact"),
            ("delete.retention.ms", "86400000"),
            ("max.compaction.lag.ms", "9223372036854775807"),
        ];
        let bad = found(vault, 3, &forgetful);
        assert_eq!((bad.wrong.len(), bad.weak.len()), (1, 1), "{bad:?}");
    }
}
