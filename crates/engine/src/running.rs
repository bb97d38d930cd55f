//! The queries whose clients named them: no two of one name, and a new one may take an old one's place.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::exception::{Code, Exception};
use crate::host::Ticket;

/// How long the replaced query may take to end.
const REPLACED: Duration = Duration::from_secs(5);

/// Asks a query to end.
pub(crate) type Stopper<'s> = &'s dyn Fn(&Arc<Ticket>);

#[derive(Default)]
pub(crate) struct Running {
    queries: Mutex<HashMap<String, Query>>,
    ended: Condvar,
}

struct Query {
    user: String,
    ticket: Arc<Ticket>,
}

impl Running {
    fn queries(&self) -> MutexGuard<'_, HashMap<String, Query>> {
        // Every change is one insert or one removal, so what a panic leaves is whole.
        self.queries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a query under its id. `stop` ends the one whose place it takes, if it may. Blocks.
    pub(crate) fn enter(
        &self,
        id: &str,
        user: &str,
        ticket: &Arc<Ticket>,
        stop: Option<Stopper<'_>>,
    ) -> Result<Entered<'_>, Exception> {
        let refused = |why: &str| {
            let text = format!("Query with id = {id} is already running{why}");
            Err(Exception::new(Code::QueryWithSameIdIsAlreadyRunning, text))
        };
        let mut queries = self.queries();
        if let Some(old) = queries.get(id) {
            if old.user != user {
                return refused(&format!(" by user {}", old.user));
            }
            let Some(stop) = stop else {
                return refused("");
            };
            stop(&old.ticket);
            let waited = self
                .ended
                .wait_timeout_while(queries, REPLACED, |queries| queries.contains_key(id));
            queries = waited.unwrap_or_else(PoisonError::into_inner).0;
            if queries.contains_key(id) {
                return refused(" and can't be stopped");
            }
        }
        let query = Query {
            user: user.to_owned(),
            ticket: Arc::clone(ticket),
        };
        queries.insert(id.to_owned(), query);
        Ok(Entered {
            running: self,
            id: id.to_owned(),
        })
    }
}

/// Held while the query runs.
pub(crate) struct Entered<'r> {
    running: &'r Running,
    id: String,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.running.queries().remove(&self.id);
        self.running.ended.notify_all();
    }
}
