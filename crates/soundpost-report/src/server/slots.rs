//! The table of connections, with a maximum.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use super::progress::Progress;

/// Minimum time in which every client can send its request before another client may replace it. A thousand clients
/// can connect at once within it.
const GRACE: Duration = Duration::from_millis(5);

/// Table of connections. Dropping it ends all of them.
pub(super) struct Slots {
    limit: usize,
    tasks: JoinSet<()>,
    taken: Vec<(Arc<Progress>, AbortHandle)>,
}

impl Slots {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, tasks: JoinSet::new(), taken: Vec::with_capacity(limit) }
    }

    /// Returns the time at which a new connection may be accepted, `None` for now. Until then it waits in the
    /// kernel's queue.
    pub(super) fn not_before(&mut self) -> Option<Instant> {
        self.tidy();
        if self.taken.len() < self.limit {
            return None;
        }
        let (_, since) = self.taken.iter().map(|(progress, _)| progress.precedence()).min()?;
        (since.elapsed() < GRACE).then(|| since + GRACE)
    }

    /// Ends the connection whose client has kept the server waiting longest, if there is one.
    pub(super) fn evict(&mut self) {
        let victim = (0..self.taken.len()).min_by_key(|index| self.taken[*index].0.precedence());
        if let Some(index) = victim {
            let (_, task) = self.taken.swap_remove(index);
            task.abort();
        }
    }

    fn tidy(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        self.taken.retain(|(_, task)| !task.is_finished());
    }

    /// Starts the task of a connection, which replaces another one if the table is full.
    pub(super) fn start(
        &mut self,
        progress: Arc<Progress>,
        connection: impl Future<Output = ()> + Send + 'static,
    ) {
        self.tidy();
        if self.taken.len() >= self.limit {
            self.evict();
        }
        let task = self.tasks.spawn(connection);
        self.taken.push((progress, task));
    }
}
