//! The event at the start of a run of a service.

use std::fs::{File, TryLockError};

use soundpost_core::{EventBuilder, FieldRef, Level, Log, Registry, ServiceDir};

/// Number of attempts to acquire a lock that another process briefly holds.
const TRIES: usize = 1000;

/// A process's membership in a run, until it is dropped.
pub(crate) struct Run {
    _lock: File,
    /// Whether no other process of the service was running.
    pub(crate) first: bool,
}

impl Run {
    /// Joins the service's run by a shared lock on its directory; `None` without a lock.
    pub(crate) fn join(place: &ServiceDir) -> Option<Self> {
        let lock = File::open(place.directory()).ok()?;
        let first = lock.try_lock().is_ok();
        for _ in 0..TRIES {
            match lock.try_lock_shared() {
                Ok(()) => return Some(Self { _lock: lock, first }),
                Err(TryLockError::WouldBlock) => std::thread::yield_now(),
                Err(TryLockError::Error(_)) => break,
            }
        }
        None
    }
}

/// Records that the service starts: `Starting indextts2 V23 @ commit abc1234`.
pub(crate) fn record(registry: &Registry, service: &str, version: &str, commit: &str) {
    let mut message = format!("Starting {service}");
    let mut builder = EventBuilder::new(registry);
    if !version.is_empty() {
        message.push_str(&format!(" {version}"));
        builder.field("version", FieldRef::Text(version));
    }
    if !commit.is_empty() {
        message.push_str(&format!(" @ commit {}", &commit[..commit.floor_char_boundary(7)]));
        builder.field("commit", FieldRef::Text(commit));
    }
    builder.record(&Log { logger: "soundpost", ..Log::new(Level::Info, &message) });
}
