//! The telemetry of this process: none before `init` and after `shutdown`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use pyo3::prelude::*;
use soundpost::torch::{Allocator, Reads};

use crate::metrics;

static TELEMETRY: RwLock<Option<soundpost::Telemetry>> = RwLock::new(None);
static TORCH: RwLock<Option<Arc<Allocator>>> = RwLock::new(None);
/// Grows with every `init` and `shutdown`; 0 before the first. Odd while recording.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// Number of the running telemetry, or `None` when nothing is recorded.
#[inline]
pub(crate) fn generation() -> Option<u64> {
    let generation = GENERATION.load(Ordering::Acquire);
    (generation % 2 == 1).then_some(generation)
}

/// The running telemetry.
pub(crate) fn telemetry() -> Option<soundpost::Telemetry> {
    TELEMETRY.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// What reads of PyTorch's allocator go to.
pub(crate) fn torch() -> Option<Arc<Allocator>> {
    TORCH.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Starts recording to `telemetry`; what was created before is bound to it now.
pub(crate) fn install(py: Python<'_>, telemetry: &soundpost::Telemetry, torch: Reads) -> Vec<String> {
    let allocator = Arc::new(Allocator::new(telemetry, torch));
    *TORCH.write().unwrap_or_else(PoisonError::into_inner) = Some(allocator);
    *TELEMETRY.write().unwrap_or_else(PoisonError::into_inner) = Some(telemetry.clone());
    let refused = metrics::bind_all(py, telemetry);
    GENERATION.fetch_or(1, Ordering::AcqRel);
    refused
}

/// Stops recording, and gives what was running.
pub(crate) fn remove(py: Python<'_>) -> Option<soundpost::Telemetry> {
    let removed = TELEMETRY.write().unwrap_or_else(PoisonError::into_inner).take();
    if removed.is_some() {
        GENERATION.fetch_add(1, Ordering::AcqRel);
        metrics::unbind_all(py);
        drop(TORCH.write().unwrap_or_else(PoisonError::into_inner).take());
    }
    removed
}

/// A lock that a panic elsewhere does not poison.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a value out of a lock that is open again when this returns: dropping a Python object runs Python.
pub(crate) fn take<T>(mutex: &Mutex<Option<T>>) -> Option<T> {
    lock(mutex).take()
}
