//! The engine in this process, without an interface around it: what the interface is measured against.

use std::path::Path;

use crate::ffi::{Connection, EngineError};
use crate::host::{self, BootError};

/// The only connection of a booted engine. It blocks; dropped, it closes the engine's tables in order, and then
/// the process has to go by `exit_at_once`.
pub struct Direct {
    connection: Connection,
}

impl Direct {
    /// Boots the engine of `library` on `data`. Nothing keeps another process off the directory.
    ///
    /// # Errors
    /// It does not start.
    pub fn boot(library: &Path, data: &Path) -> Result<Self, BootError> {
        let (_, _, connection) = host::boot(library, data)?;
        Ok(Self { connection })
    }

    /// Runs a statement and throws its result away.
    ///
    /// # Errors
    /// The engine's own.
    pub fn run(&mut self, sql: &str) -> Result<(), EngineError> {
        self.connection.query(sql.as_bytes(), "Null", &[])?;
        Ok(())
    }

    /// Inserts rows that come in pieces; `sql` has neither FORMAT nor data.
    ///
    /// # Errors
    /// The engine's own.
    pub fn insert<'p>(
        &mut self,
        sql: &str,
        format: &str,
        pieces: impl IntoIterator<Item = &'p [u8]>,
    ) -> Result<(), EngineError> {
        let mut stream = self.connection.insert(sql.as_bytes(), format, &[])?;
        let mut pieces = pieces.into_iter();
        while let Some(piece) = pieces.next()
            && stream.append(piece)
        {}
        stream.finish()?;
        Ok(())
    }

    /// Runs a SELECT and shows each piece of its result.
    ///
    /// # Errors
    /// The engine's own.
    pub fn select(
        &mut self,
        sql: &str,
        format: &str,
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), EngineError> {
        let mut stream = self.connection.stream(sql.as_bytes(), format, &[])?;
        while let Some(piece) = stream.fetch()? {
            each(piece.bytes());
        }
        Ok(())
    }
}
