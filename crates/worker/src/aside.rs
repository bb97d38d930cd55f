//! Stepping aside: batches are long, and neither leads nor clicks wait for one.

/// Lets whoever waits for this core or this thread go first. A thread of a lower priority still ends its
/// turn before others go on, which is milliseconds, unless it gives the turn up itself.
pub(crate) async fn step_aside() {
    std::thread::yield_now();
    tokio::task::yield_now().await;
}
