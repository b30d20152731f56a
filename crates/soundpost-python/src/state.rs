//! The telemetry of this process: none before `init` and after `shutdown`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use soundpost::Telemetry;
pub(crate) use soundpost::binding::lock;
use soundpost::binding::torch::Allocator;

static RUNNING: RwLock<Option<Running>> = RwLock::new(None);
/// Incremented by every `init` and `shutdown`; 0 before the first, odd while recording.
static GENERATION: AtomicU64 = AtomicU64::new(0);

struct Running {
    telemetry: Telemetry,
    allocator: Arc<Allocator>,
}

/// Returns the number of the running telemetry, or `None` while nothing is recorded.
#[inline]
pub(crate) fn generation() -> Option<u64> {
    let generation = GENERATION.load(Ordering::Acquire);
    (generation % 2 == 1).then_some(generation)
}

/// Returns the running telemetry.
pub(crate) fn telemetry() -> Option<Telemetry> {
    with_running(|running| running.telemetry.clone())
}

/// Returns the consumer of readings of PyTorch's allocator.
pub(crate) fn allocator() -> Option<Arc<Allocator>> {
    with_running(|running| running.allocator.clone())
}

fn with_running<T>(use_running: impl FnOnce(&Running) -> T) -> Option<T> {
    RUNNING.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(use_running)
}

/// Sets the telemetry that metrics are bound to; recording begins with [`enable`].
pub(crate) fn install(telemetry: Telemetry, allocator: Allocator) {
    let running = Running { telemetry, allocator: Arc::new(allocator) };
    *RUNNING.write().unwrap_or_else(PoisonError::into_inner) = Some(running);
}

/// Starts recording to the installed telemetry.
pub(crate) fn enable() {
    GENERATION.fetch_or(1, Ordering::AcqRel);
}

/// Stops recording, and returns the telemetry that was running.
pub(crate) fn remove() -> Option<Telemetry> {
    let removed = RUNNING.write().unwrap_or_else(PoisonError::into_inner).take()?;
    GENERATION.fetch_add(1, Ordering::AcqRel);
    Some(removed.telemetry)
}

/// Takes a value out of a mutex and unlocks it: dropping a Python object under a lock may run Python.
pub(crate) fn take<T>(mutex: &Mutex<Option<T>>) -> Option<T> {
    lock(mutex).take()
}
