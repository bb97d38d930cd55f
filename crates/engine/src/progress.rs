//! How far a running query is, for whoever asked to be told in headers, and for the summary of an answer that begins
//! before its query has ended: looked up in `system.processes`, by the query's mark, from another connection.

use std::sync::Arc;
use std::time::Duration;

use http::Version;
use tokio::sync::mpsc::Receiver;

use crate::early::Ahead;
use crate::exception::Exception;
use crate::ffi::{Connection, Stats};
use crate::handler::Shared;
use crate::host::{Host, MARK, Ticket};
use crate::output::Reply;

/// How often the server tells, if it is not said.
const EVERY: Duration = Duration::from_millis(100);
/// No more often than that.
const LEAST: Duration = Duration::from_millis(10);

/// What the client wants to be told.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) told: bool,
    pub(crate) every_ms: Option<u64>,
}

impl Wanted {
    /// How often, if at all.
    pub(crate) fn every(self) -> Option<Duration> {
        let every = self.every_ms.map_or(EVERY, Duration::from_millis);
        self.told.then(|| every.max(LEAST))
    }
}

/// The headers of one answer that go ahead of it.
pub(crate) struct Telling<'a> {
    pub(crate) every: Duration,
    pub(crate) version: Version,
    pub(crate) ahead: &'a Ahead,
}

impl Telling<'_> {
    /// Waits for what the query says first, and tells how far it is until then.
    pub(crate) async fn until_first(
        self,
        shared: &Arc<Shared>,
        ticket: &Arc<Ticket>,
        replies: &mut Receiver<Reply>,
    ) -> Option<Reply> {
        let mut look = None;
        loop {
            if let Ok(reply) = tokio::time::timeout(self.every, replies.recv()).await {
                return reply;
            }
            let (shared, ticket) = (Arc::clone(shared), Arc::clone(ticket));
            let looking = tokio::task::spawn_blocking(move || {
                let mut look = match look {
                    Some(look) => look,
                    None => Look::open(&shared.host, &ticket).ok()?,
                };
                let told = look.tell();
                Some((look, told))
            });
            let told;
            (look, told) = match looking.await {
                Ok(Some((again, told))) => (Some(again), told),
                // It could not look, and tries again.
                Ok(None) | Err(_) => (None, None),
            };
            if let Some(told) = told {
                let name = "X-ClickHouse-Progress";
                self.ahead.header(self.version, name, &told);
            }
        }
    }
}

/// Between two looks after a query that is no longer among those that run and has not said its end yet.
const ENDING: Duration = Duration::from_millis(1);
/// So often it is looked for.
const LOOKS: u32 = 20;

/// The summary of an answer that begins now: how far its query is, as on the server, or how it ended meanwhile.
pub(crate) async fn so_far(shared: &Arc<Shared>, ticket: &Arc<Ticket>) -> Option<String> {
    let (shared, ticket) = (Arc::clone(shared), Arc::clone(ticket));
    let looking = tokio::task::spawn_blocking(move || {
        let mut look = Look::open(&shared.host, &ticket).ok()?;
        for _ in 0..LOOKS {
            if let Some(stats) = ticket.stats() {
                return Some(summary(stats));
            }
            if let Some(told) = look.tell() {
                return Some(told);
            }
            std::thread::sleep(ENDING);
        }
        None
    });
    looking.await.ok().flatten()
}

/// Looks after one query.
struct Look {
    connection: Connection,
    mark: u64,
}

impl Look {
    /// Blocks.
    fn open(host: &Host, ticket: &Ticket) -> Result<Self, Exception> {
        Ok(Self {
            // Not with the query's own mark: it would be found, and killed.
            connection: host.connect_aside()?,
            mark: ticket.mark,
        })
    }

    /// What the header says; nothing before the query has begun and after its end. Blocks.
    fn tell(&mut self) -> Option<String> {
        let sql = format!(
            "SELECT toString(read_rows) AS read_rows, toString(read_bytes) AS read_bytes, \
             toString(written_rows) AS written_rows, toString(written_bytes) AS written_bytes, \
             toString(total_rows_approx) AS total_rows_to_read, \
             '0' AS result_rows, '0' AS result_bytes, \
             toString(toUInt64(elapsed * 1e9)) AS elapsed_ns, \
             toString(greatest(memory_usage, 0)) AS memory_usage \
             FROM system.processes WHERE Settings['{MARK}'] = '{}' LIMIT 1",
            self.mark
        );
        let answer = self
            .connection
            .query(sql.as_bytes(), "JSONEachRow", &[])
            .ok()?;
        let line = String::from_utf8_lossy(answer.bytes()).trim().to_owned();
        (!line.is_empty()).then_some(line)
    }
}

/// What is known of a query at its end. How many rows it was to read is not, so that it is left out.
pub(crate) fn summary(stats: Stats) -> String {
    let Stats {
        read_rows,
        read_bytes,
        written_rows,
        written_bytes,
        result_rows,
        result_bytes,
        elapsed,
    } = stats;
    // As on the server, the result of an INSERT is what it wrote.
    let (result_rows, result_bytes) = match written_rows {
        0 => (result_rows, result_bytes),
        _ => (written_rows, written_bytes),
    };
    let elapsed = elapsed.as_nanos();
    format!(
        r#"{{"read_rows":"{read_rows}","read_bytes":"{read_bytes}","written_rows":"{written_rows}","written_bytes":"{written_bytes}","result_rows":"{result_rows}","result_bytes":"{result_bytes}","elapsed_ns":"{elapsed}"}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_when_asked_for_and_not_too_often() {
        let every = |told, every_ms| Wanted { told, every_ms }.every();
        assert_eq!(every(false, Some(5)), None);
        assert_eq!(every(true, None), Some(EVERY));
        assert_eq!(every(true, Some(0)), Some(LEAST));
        assert_eq!(every(true, Some(1000)), Some(Duration::from_secs(1)));
    }
}
