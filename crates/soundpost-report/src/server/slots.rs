//! The connections there are, and which of them gives way to a new one.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use super::progress::Progress;

/// What every client has to send its request, or its next bytes, before another may take its place:
/// enough on a local network, and short enough for a thousand that come at once.
const GRACE: Duration = Duration::from_millis(5);

/// Table of connections. All of them end when it is dropped.
pub(super) struct Slots {
    limit: usize,
    tasks: JoinSet<()>,
    taken: Vec<(Arc<Progress>, AbortHandle)>,
}

impl Slots {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, tasks: JoinSet::new(), taken: Vec::with_capacity(limit) }
    }

    /// When a new connection may be taken; `None`: now. Until then it waits in the kernel's queue.
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

    /// Forgets connections that have ended.
    fn tidy(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        self.taken.retain(|(_, task)| !task.is_finished());
    }

    /// Starts a connection's task, if need be in the place of another.
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
