//! How far a running query is, for whoever asked to be told in headers: looked up in `system.processes`, by the
//! query's mark, from another connection.

use std::sync::Arc;
use std::time::Duration;

use http::Version;
use tokio::sync::mpsc::Receiver;

use crate::early::Ahead;
use crate::exception::Exception;
use crate::ffi::Connection;
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
