//! What older rules have judged is judged anew: when the rules of credit and payment change, all journeys with
//! conversions are walked over, a few with each batch of the log, and their rows made again. Nothing has to happen
//! to a conversion for that.
//!
//! Who reads journeys by rules keeps everybody on older ones from reading them ([`store::StoreError::Outdated`]), so
//! when a walk is over no row of older rules stands anywhere, and none will. How far it is stands in the store once
//! its rows are settled: another process goes on there, and repeats a turn at most.

use std::collections::BTreeMap;

use store::{Anew, Backend, Journeys as _, Place, StoreError};
use telemetry::{Metrics, WORKER_ANEW, WORKER_FAILURES, WORKER_TO_WALK};

use crate::rows::conversion::{self, By, Conversions};

/// The walks over this process's partitions.
#[derive(Debug, Default)]
pub(crate) struct Walks {
    /// By which rules a partition is known to be judged.
    over: BTreeMap<u16, u32>,
    /// Whether an operator was told that one is under way.
    under_way: bool,
}

/// A turn whose rows are not settled yet.
#[derive(Debug)]
pub(crate) struct Turned {
    partition: u16,
    rules: u32,
    next: Place,
    journeys: usize,
}

impl Walks {
    /// The next turn of the first partition that has not been walked over, with the rows of its journeys; none if
    /// there are no such.
    pub(crate) async fn turn<B: Backend>(
        &mut self,
        backend: &B,
        metrics: &Metrics,
        by: By<'_>,
        partitions: &[u16],
        most: usize,
    ) -> Option<(Turned, Conversions)> {
        let rules = by.rules.version();
        self.over
            .retain(|partition, by| *by == rules && partitions.contains(partition));
        let mut found = None;
        for partition in partitions {
            if self.over.contains_key(partition) {
                continue;
            }
            let anew = match backend.journeys().anew(*partition, rules, most).await {
                Ok(Some(anew)) => anew,
                Ok(None) => {
                    self.over.insert(*partition, rules);
                    continue;
                }
                // Whoever has newer rules walks. This process waits for them with the next record.
                Err(StoreError::Outdated(_)) => continue,
                Err(error) => {
                    failed(metrics, *partition, &error);
                    continue;
                }
            };
            let Anew { journeys, next } = anew;
            let turned = Turned {
                partition: *partition,
                rules,
                next,
                journeys: journeys.len(),
            };
            if journeys.is_empty() {
                self.turned(backend, metrics, turned).await;
                continue;
            }
            let mut made = Conversions::default();
            for journey in &journeys {
                match conversion::rows(journey, by) {
                    Ok(rows) => {
                        made.rows.extend(rows.rows);
                        made.credits.extend(rows.credits);
                        made.standings.extend(rows.standings);
                    }
                    // Its rows could not be made when it changed, either.
                    Err(error) => failed(metrics, *partition, &error.into()),
                }
            }
            found = Some((turned, made));
            break;
        }
        self.tell(metrics, partitions);
        found
    }

    /// The rows of a turn are settled. If that cannot be noted the turn is repeated.
    pub(crate) async fn turned<B: Backend>(
        &mut self,
        backend: &B,
        metrics: &Metrics,
        turned: Turned,
    ) {
        let Turned {
            partition,
            rules,
            next,
            journeys,
        } = turned;
        if journeys > 0 && !std::mem::replace(&mut self.under_way, true) {
            tracing::info!(
                partition,
                "the rules have changed: journeys are judged anew"
            );
        }
        metrics.add(WORKER_ANEW, [], journeys as u64);
        let end = next == Place::End;
        match backend.journeys().walked(partition, rules, next).await {
            Ok(()) if end => drop(self.over.insert(partition, rules)),
            Ok(()) => {}
            Err(error) => failed(metrics, partition, &error),
        }
    }

    fn tell(&mut self, metrics: &Metrics, partitions: &[u16]) {
        let left = partitions.len().saturating_sub(self.over.len());
        metrics.set(WORKER_TO_WALK, [], i64::try_from(left).unwrap_or(i64::MAX));
        if left == 0 && std::mem::take(&mut self.under_way) {
            tracing::info!("all journeys are judged by the new rules");
        }
    }
}

/// Live records go on. The turn comes again with the next batch.
fn failed(metrics: &Metrics, partition: u16, error: &StoreError) {
    metrics.count(WORKER_FAILURES, ["walk"]);
    tracing::warn!(partition, %error, "journeys cannot be judged anew");
}
