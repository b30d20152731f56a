//! The history as calls of this process read it, for their own use of GPU memory.

use std::sync::Mutex;

use crate::clock;
use crate::history::{CallWindow, GpuUse, HistoryReader};
use crate::per_process::PerProcess;
use crate::segment::ServiceDir;
use crate::thread::lock;

/// Minimum time between two attempts to open the history, nanoseconds.
const RETRY: u64 = 1_000_000_000;

/// Reads the service's history, which each process opens on first use.
#[derive(Default)]
pub(crate) struct GpuHistory {
    open: PerProcess<Mutex<OpenHistory>>,
}

#[derive(Default)]
struct OpenHistory {
    reader: Option<HistoryReader>,
    /// Time of the last attempt to open the history, monotonic.
    looked: Option<u64>,
}

impl GpuHistory {
    pub(crate) fn gpu_use(&self, dir: &ServiceDir, window: &CallWindow, shared: bool) -> Option<GpuUse> {
        let open = self.open.get_or_make(Mutex::default);
        let mut open = lock(open);
        window.gpu_use(open.reader(dir)?, shared)
    }
}

impl OpenHistory {
    fn reader(&mut self, dir: &ServiceDir) -> Option<&mut HistoryReader> {
        let now = clock::monotonic_nanos();
        let stale = self.reader.as_ref().is_none_or(HistoryReader::is_over);
        if stale && self.looked.is_none_or(|looked| now.saturating_sub(looked) >= RETRY) {
            self.looked = Some(now);
            self.reader = HistoryReader::open(dir).ok().or(self.reader.take());
        }
        self.reader.as_mut()
    }
}
