//! Threads of Soundpost: named, with all signals blocked, and with panics kept from the host.

use std::any::Any;
use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError, mpsc};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, SigmaskHow};

use crate::address_space;

/// Memory that a thread takes beside its stack and its arena, bytes.
const SMALL_OBJECTS_BYTES: u64 = 1 << 20;
/// Stack size of a thread, bytes; encoders and the server use the heap for buffers.
const STACK: usize = 512 * 1024;

/// Address space that glibc's allocator reserves for a thread, with what it needs to align it, bytes.
const ARENA_BYTES: u64 = if cfg!(target_env = "gnu") { 128 << 20 } else { 0 };

/// Checks that the address space has room for a thread.
///
/// # Errors
/// When it has not.
pub(crate) fn check_room() -> io::Result<()> {
    let arena = if std::env::var_os("MALLOC_ARENA_MAX").is_some() { 0 } else { ARENA_BYTES };
    address_space::check(STACK as u64 + SMALL_OBJECTS_BYTES + arena)
}

/// Starts a thread. Signals are blocked before it starts, so none is ever delivered to it.
///
/// # Errors
/// When the system cannot start a thread, or the address space has no room for it.
pub fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    check_room()?;
    // The next check sees the memory of this thread.
    let (begun, has_begun) = mpsc::channel::<()>();
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK).ok();
    let started = Builder::new().name(name.to_owned()).stack_size(STACK).spawn(move || {
        mark_own();
        drop(std::hint::black_box(Box::new(begun)));
        let _ = guarded(body);
    });
    if let Some(mask) = before {
        let _ = mask.thread_set_mask();
    }
    if started.is_ok() && address_space::room().is_some() {
        let _ = has_begun.recv();
    }
    started
}

thread_local! {
    static OWN: Cell<bool> = const { Cell::new(false) };
}

/// Marks this thread as one of Soundpost, so that messages of its dependencies are not recorded without end.
/// Threads of [`spawn`] are marked.
pub fn mark_own() {
    OWN.set(true);
}

/// Reports whether this thread belongs to Soundpost.
#[inline]
pub fn is_own() -> bool {
    OWN.get()
}

/// Locks a mutex; a panic elsewhere does not poison it.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Locks a mutex unless another thread holds it, as a thread of the parent of a forked child may forever.
pub(crate) fn try_lock<T: ?Sized>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(error)) => Some(error.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Joins a thread until `deadline`; a hanging thread is left behind.
pub fn join_until(thread: JoinHandle<()>, deadline: Instant) {
    while !thread.is_finished() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    if thread.is_finished() {
        let _ = thread.join();
    }
}

/// Runs `body`.
///
/// # Errors
/// Returns the text of a panic.
pub fn guarded<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|panic| text(&*panic))
}

fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned())
}
