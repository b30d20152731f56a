//! Fork safety: one lock for all slow paths, held across `fork`, and an epoch that differs in the child.
//!
//! A lock that another thread holds during the fork stays locked in the child. So every change of a
//! process-local table happens under [`slow_path`], and `fork` takes that lock first. Reads take no lock.

use std::cell::Cell;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, Once, OnceLock, PoisonError};

static SLOW_PATH: Mutex<()> = Mutex::new(());
static EPOCH: AtomicU32 = AtomicU32::new(1);
static INSTALL: Once = Once::new();
/// Descriptors that forked children close: a listening socket would outlive its server.
static CLOSE_IN_CHILD: [AtomicI32; 128] = [const { AtomicI32::new(-1) }; 128];
/// See [`install_fork_hooks`].
static AROUND: OnceLock<AtForkHooks> = OnceLock::new();

struct AtForkHooks {
    before: fn(),
    after: fn(),
}

thread_local! {
    static HELD_FOR_FORK: Cell<Option<MutexGuard<'static, ()>>> = const { Cell::new(None) };
}

/// Guard held while a process-local table changes, never while the host's code runs.
pub(crate) struct SlowPath(#[allow(dead_code)] MutexGuard<'static, ()>);

/// Takes the lock of all slow paths; a panic elsewhere does not poison it.
pub(crate) fn slow_path() -> SlowPath {
    SlowPath(SLOW_PATH.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Sets a cell under the slow path's lock, so that no fork happens in between. `value` is dropped if another
/// thread was first.
#[cold]
pub fn set_once<T>(cell: &OnceLock<T>, value: T) -> &T {
    let _slow = slow_path();
    cell.get_or_init(|| value)
}

/// Returns a number that differs between a process and its forked children.
#[inline]
pub fn epoch() -> u32 {
    EPOCH.load(Ordering::Relaxed)
}

/// Registers hooks that the forking thread calls before each fork, and after it in parent and child. Only the
/// first registration is kept (used by the store to quiesce SQLite). The hooks must not panic.
pub fn install_fork_hooks(before: fn(), after: fn()) {
    install();
    let _ = AROUND.set(AtForkHooks { before, after });
}

/// Makes forked children close `fd`, until the guard is dropped. Without a free place it does nothing.
pub fn close_in_child(fd: RawFd) -> CloseInChild {
    install();
    let free = |slot: &&AtomicI32| slot.compare_exchange(-1, fd, Ordering::AcqRel, Ordering::Relaxed).is_ok();
    CloseInChild { slot: CLOSE_IN_CHILD.iter().find(free) }
}

/// Guard for a descriptor that forked children close.
#[must_use = "dropping it takes the descriptor off the list"]
pub struct CloseInChild {
    slot: Option<&'static AtomicI32>,
}

impl Drop for CloseInChild {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            slot.store(-1, Ordering::Release);
        }
    }
}

/// Registers the fork handlers once.
pub(crate) fn install() {
    INSTALL.call_once(|| {
        #[cfg(not(any(loom, miri)))]
        // SAFETY: the three functions are `extern "C"`, never unwind, and do only what is allowed between
        // fork and the child's return: unlock a mutex this thread holds, store to atomics, `close`.
        unsafe {
            libc::pthread_atfork(Some(before_fork), Some(after_in_parent), Some(after_in_child));
        }
    });
}

#[cfg_attr(any(loom, miri), allow(dead_code))]
extern "C" fn before_fork() {
    if let Some(around) = AROUND.get() {
        (around.before)();
    }
    let guard = SLOW_PATH.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = HELD_FOR_FORK.try_with(|held| held.set(Some(guard)));
}

#[cfg_attr(any(loom, miri), allow(dead_code))]
extern "C" fn after_in_parent() {
    let _ = HELD_FOR_FORK.try_with(Cell::take);
    after_fork();
}

#[cfg_attr(any(loom, miri), allow(dead_code))]
extern "C" fn after_in_child() {
    EPOCH.fetch_add(1, Ordering::Relaxed);
    for slot in &CLOSE_IN_CHILD {
        let fd = slot.swap(-1, Ordering::Relaxed);
        if fd >= 0 {
            // SAFETY: the descriptor is this process's copy of one its parent registered and still held.
            unsafe { libc::close(fd) };
        }
    }
    let _ = HELD_FOR_FORK.try_with(Cell::take);
    after_fork();
}

#[cfg_attr(any(loom, miri), allow(dead_code))]
fn after_fork() {
    if let Some(around) = AROUND.get() {
        (around.after)();
    }
}
