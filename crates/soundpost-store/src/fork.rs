//! SQLite and `fork`: connections are closed before a fork, and reopened at their next use.
//!
//! SQLite has process-wide tables of open files and locks, guarded by mutexes. A forked child would inherit the tables,
//! but not the kernel's locks, and the next program to open the store would remove the log under it. A mutex that
//! another thread held would stay locked in the child.

use std::cell::Cell;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError, Weak};
use std::time::Duration;

use soundpost_core::thread::lock;
use soundpost_core::{epoch, install_fork_hooks};

/// Maximum delay of a fork while uses end, because a disk may hang; the child then has no store.
const FORK_TIMEOUT: Duration = Duration::from_millis(200);

static USES: Mutex<Uses> =
    Mutex::new(Uses { count: 0, forking: false, epoch: 0, usable: true, open: Vec::new() });
static ENDED: Condvar = Condvar::new();

thread_local! {
    static HELD_FOR_FORK: Cell<Option<MutexGuard<'static, Uses>>> = const { Cell::new(None) };
}

struct Uses {
    count: usize,
    /// Whether a fork waits for uses to end; no use begins.
    forking: bool,
    /// Epoch of the process that forks.
    epoch: u32,
    /// False in a child that was forked during a use.
    usable: bool,
    open: Vec<Weak<dyn Close + Send + Sync>>,
}

/// A use of SQLite, during which the process does not fork. Uses do not nest: the inner one would wait for a fork that
/// waits for the outer one.
pub(crate) struct Use(());

/// Makes forks wait for uses of the store from now on. Called before threads use a store, because a fork during the first
/// call would leave the child partly prepared.
pub fn prepare_for_forks() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| install_fork_hooks(before, after));
}

/// Begins a use; `None` in a process that was forked during a use of its parent.
pub(crate) fn enter() -> Option<Use> {
    prepare_for_forks();
    let mut uses = ENDED.wait_while(lock(&USES), |uses| uses.forking).unwrap_or_else(PoisonError::into_inner);
    uses.usable.then(|| {
        uses.count += 1;
        Use(())
    })
}

impl Drop for Use {
    fn drop(&mut self) {
        let mut uses = lock(&USES);
        uses.count -= 1;
        if uses.forking {
            ENDED.notify_all();
        }
    }
}

/// A handle that is closed before a fork. Accessed only within a [`Use`].
pub(crate) struct ForkGuarded<T: Send + 'static>(Arc<Holder<T>>);

struct Holder<T> {
    value: Mutex<Option<T>>,
    close: fn(T),
}

impl<T: Send + 'static> ForkGuarded<T> {
    pub(crate) fn new(value: Option<T>, close: fn(T)) -> Self {
        let holder = Arc::new(Holder { value: Mutex::new(value), close });
        let weak: Weak<Holder<T>> = Arc::downgrade(&holder);
        let mut uses = lock(&USES);
        uses.open.retain(|holder| holder.strong_count() > 0);
        uses.open.push(weak);
        drop(uses);
        Self(holder)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Option<T>> {
        lock(&self.0.value)
    }
}

impl<T: Send + 'static> Drop for ForkGuarded<T> {
    fn drop(&mut self) {
        match enter() {
            Some(_use) => drop(self.lock().take()),
            // An inherited handle must not be closed either.
            None => std::mem::forget(self.0.clone()),
        }
    }
}

trait Close {
    fn close(&self);
}

impl<T> Close for Holder<T> {
    fn close(&self) {
        if let Some(value) = lock(&self.value).take() {
            (self.close)(value);
        }
    }
}

fn before() {
    // A thread that is ending cannot hold the lock across the fork.
    if HELD_FOR_FORK.try_with(|_| ()).is_err() {
        return;
    }
    let mut uses = lock(&USES);
    (uses.forking, uses.epoch) = (true, epoch());
    let waited = ENDED.wait_timeout_while(uses, FORK_TIMEOUT, |uses| uses.count > 0);
    let (uses, _) = waited.unwrap_or_else(PoisonError::into_inner);
    if uses.count == 0 {
        uses.open.iter().filter_map(Weak::upgrade).for_each(|holder| holder.close());
    }
    let _ = HELD_FOR_FORK.try_with(|held| held.set(Some(uses)));
}

fn after() {
    let Ok(Some(mut uses)) = HELD_FOR_FORK.try_with(Cell::take) else { return };
    uses.forking = false;
    uses.usable &= uses.count == 0 || uses.epoch == epoch();
    drop(uses);
    ENDED.notify_all();
}
