//! What calls of this process read of the history: their own use of GPU memory.

use std::sync::{Mutex, PoisonError};

use crate::clock;
use crate::history::{CallWindow, GpuUse, HistoryReader};
use crate::per_process::PerProcess;
use crate::segment::ServiceDir;

/// A history that is not there, or not written, is looked for at most this often, nanoseconds.
const RETRY: u64 = 1_000_000_000;

/// Reads the service's history; opened when it is first asked, once in each process.
#[derive(Default)]
pub(crate) struct GpuHistory {
    open: PerProcess<Mutex<OpenHistory>>,
}

#[derive(Default)]
struct OpenHistory {
    reader: Option<HistoryReader>,
    /// When it was last looked for, monotonic.
    looked: Option<u64>,
}

impl GpuHistory {
    pub(crate) fn gpu_use(&self, dir: &ServiceDir, window: &CallWindow, shared: bool) -> Option<GpuUse> {
        let open = self.open.get_or_make(Mutex::default);
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
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
