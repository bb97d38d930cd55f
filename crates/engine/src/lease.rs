//! A connection for one request: a new one, or that of its session, with what the request says about it.
//!
//! What the URL sets is set for its query alone, so on a session's connection it is put back afterwards; a
//! `SET`, a `USE` and a temporary table stay.

use std::sync::Arc;

use crate::exception::Exception;
use crate::external::quoted as quoted_name;
use crate::ffi::Connection;
use crate::host::{Host, MARK, Ticket};
use crate::request::{Access, Query, Session};
use crate::sessions::{Kept, Taken};
use crate::statement::literal;
use crate::users::Known;

pub(crate) struct Lease<'h> {
    pub(crate) connection: Connection,
    session: Option<Held<'h>>,
}

struct Held<'h> {
    taken: Taken<'h>,
    asked: Session,
    keep: Keep,
}

/// What of the connection the next request finds.
enum Keep {
    /// All of it, once these statements have put back what was only for this request.
    Connection { undo: Vec<String> },
    /// The database alone.
    Database,
}

impl<'h> Lease<'h> {
    /// `user` owns the session; one who may only read keeps no connection.
    pub(crate) fn open(
        host: &'h Host,
        ticket: &Arc<Ticket>,
        query: &Query,
        user: &Known,
    ) -> Result<Self, Exception> {
        let Some(asked) = query.session.clone() else {
            return Ok(Self {
                connection: host.connect(ticket)?,
                session: None,
            });
        };
        let key = (user.name.clone(), asked.id.clone());
        let mut taken = host.sessions.take(key, asked.check)?;
        let connection = match taken.kept() {
            Some(Kept::Connection(mut connection)) => {
                run(&mut connection, &format!("SET {MARK} = {}", ticket.mark))?;
                connection
            }
            Some(Kept::Database(database)) => {
                let mut connection = host.connect(ticket)?;
                run(&mut connection, &format!("USE {}", quoted_name(&database)))?;
                connection
            }
            None => host.connect(ticket)?,
        };
        let keep = match user.access {
            Access::ReadOnly => Keep::Database,
            Access::Reads | Access::ReadWrite => Keep::Connection { undo: Vec::new() },
        };
        Ok(Self {
            connection,
            session: Some(Held { taken, asked, keep }),
        })
    }

    /// Whether the connection outlives the request, and so must not be locked.
    pub(crate) fn is_kept(&self) -> bool {
        matches!(&self.session, Some(held) if matches!(held.keep, Keep::Connection { .. }))
    }

    /// Sets what the URL says: settings first, then the database.
    pub(crate) fn prepare(&mut self, query: &Query) -> Result<(), Exception> {
        if self.is_kept() {
            self.remember(query)?;
        }
        if !query.settings.is_empty() {
            let settings = query
                .settings
                .iter()
                .map(|(name, value)| format!("{name} = {}", literal(value)));
            let settings = settings.collect::<Vec<_>>().join(", ");
            run(&mut self.connection, &format!("SET {settings}"))?;
        }
        if let Some(database) = &query.database {
            let sql = format!("USE {}", quoted_name(database));
            run(&mut self.connection, &sql)?;
        }
        Ok(())
    }

    fn remember(&mut self, query: &Query) -> Result<(), Exception> {
        if !query.settings.is_empty() {
            let names = query.settings.iter().map(|(name, _)| literal(name));
            let sql = format!(
                "SELECT name, changed, value FROM system.settings WHERE name IN ({})",
                names.collect::<Vec<_>>().join(", ")
            );
            let before = self.ask(&sql)?;
            self.undo(before.lines().filter_map(|line| {
                let mut fields = line.splitn(3, '\t');
                let (name, changed, value) = (fields.next()?, fields.next()?, fields.next()?);
                // Values are escaped here as they are in a statement.
                Some(match changed {
                    "1" => format!("SET {name} = '{value}'"),
                    _ => format!("SET {name} = DEFAULT"),
                })
            }));
        }
        if query.database.is_some() {
            let database = self.database()?;
            self.undo([format!("USE {}", quoted_name(&database))]);
        }
        Ok(())
    }

    /// These are run before the next request of the session, if there is one.
    pub(crate) fn undo(&mut self, statements: impl IntoIterator<Item = String>) {
        if let Some(held) = &mut self.session
            && let Keep::Connection { undo } = &mut held.keep
        {
            undo.extend(statements);
        }
    }

    fn database(&mut self) -> Result<String, Exception> {
        let sql = b"SELECT currentDatabase()";
        let answer = self.connection.query(sql, "TSVRaw", &[])?;
        let name = answer.bytes();
        let name = name.strip_suffix(b"\n").unwrap_or(name);
        Ok(String::from_utf8_lossy(name).into_owned())
    }

    fn ask(&mut self, sql: &str) -> Result<String, Exception> {
        let answer = self.connection.query(sql.as_bytes(), "TSV", &[])?;
        Ok(String::from_utf8_lossy(answer.bytes()).into_owned())
    }

    /// The request is over.
    pub(crate) fn close(mut self) {
        let Some(Held { taken, asked, keep }) = self.session.take() else {
            return;
        };
        if asked.close {
            return;
        }
        let kept = match keep {
            Keep::Database => self.database().map(Kept::Database),
            Keep::Connection { undo } => undo
                .iter()
                .try_for_each(|sql| run(&mut self.connection, sql))
                .map(|()| Kept::Connection(self.connection)),
        };
        match kept {
            Ok(kept) => taken.leave(kept, asked.seconds),
            // A session in an unknown state is worse than none.
            Err(error) => tracing::warn!(%error, "a session had to be ended"),
        }
    }
}

pub(crate) fn run(connection: &mut Connection, sql: &str) -> Result<(), Exception> {
    connection.query(sql.as_bytes(), "Null", &[])?;
    Ok(())
}
