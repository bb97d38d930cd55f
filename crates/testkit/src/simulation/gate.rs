//! Tasks that run one step at a time: from one gate to the next.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

/// Where a task can be stopped, for ever if the process dies there.
#[derive(Clone, Default)]
pub(super) struct Gate(Rc<Cell<bool>>);

impl Gate {
    /// Stops until the next step.
    pub(super) async fn pass(&self) {
        self.0.set(true);
        poll_fn(|_| match self.0.get() {
            true => Poll::Pending,
            false => Poll::Ready(()),
        })
        .await;
    }
}

/// A task and its gate. Dropping it kills it where it stands.
pub(super) struct Task {
    gate: Gate,
    future: Pin<Box<dyn Future<Output = ()>>>,
}

impl Task {
    pub(super) fn new<F: Future<Output = ()> + 'static>(task: impl FnOnce(Gate) -> F) -> Self {
        let gate = Gate::default();
        Self {
            future: Box::pin(task(gate.clone())),
            gate,
        }
    }

    /// Runs up to the next gate, through whatever it waits for on the way. True at its end.
    pub(super) async fn step(&mut self) -> bool {
        self.gate.0.set(false);
        poll_fn(|context| match self.future.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending if self.gate.0.get() => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        })
        .await
    }
}
