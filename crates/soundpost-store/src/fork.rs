//! SQLite and `fork`: a process forks only while no connection is open.
//!
//! SQLite keeps in tables of the process which files it has open and which locks it took, and guards them with
//! mutexes. A forked child would inherit the tables, but not the locks of the kernel behind them: it would take
//! none, and the next program that opens the store would remove the log under it. A mutex that a thread held
//! at that moment would stay locked in the child for ever. So connections are closed before a fork, and opened
//! again when they are next used.

use std::cell::Cell;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError, Weak};
use std::time::Duration;

use soundpost_core::thread::lock;
use soundpost_core::{epoch, install_fork_hooks};

/// A fork waits at most this long for uses to end: a disk may hang. The child then goes without a store.
const PATIENCE: Duration = Duration::from_millis(200);

static USES: Mutex<Uses> =
    Mutex::new(Uses { count: 0, forking: false, epoch: 0, usable: true, open: Vec::new() });
static ENDED: Condvar = Condvar::new();

thread_local! {
    static HELD_FOR_FORK: Cell<Option<MutexGuard<'static, Uses>>> = const { Cell::new(None) };
}

struct Uses {
    /// How many there are at this moment.
    count: usize,
    /// A fork waits for them to end; none begins.
    forking: bool,
    /// The process that forks.
    epoch: u32,
    /// Not in a child that was forked during a use.
    usable: bool,
    open: Vec<Weak<dyn Close + Send + Sync>>,
}

/// A use of SQLite; no fork during it. Uses are not nested: the inner one would wait for the fork that waits for
/// the outer one.
pub(super) struct Use(());

/// Makes forks wait for uses of the store from now on. Call this before threads use a store: a fork during the first
/// call would leave the child half prepared.
pub fn prepare_for_forks() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| install_fork_hooks(before, after));
}

/// Begins a use; `None` in a process that was forked while SQLite was at work in its parent.
pub(super) fn enter() -> Option<Use> {
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

/// What is closed before a fork. Touched only within a [`Use`].
pub(super) struct Kept<T: Send + 'static>(Arc<Holder<T>>);

struct Holder<T> {
    value: Mutex<Option<T>>,
    /// Closes it in a hurry.
    close: fn(T),
}

impl<T: Send + 'static> Kept<T> {
    pub(super) fn new(value: Option<T>, close: fn(T)) -> Self {
        let kept = Arc::new(Holder { value: Mutex::new(value), close });
        let weak: Weak<Holder<T>> = Arc::downgrade(&kept);
        let mut uses = lock(&USES);
        uses.open.retain(|kept| kept.strong_count() > 0);
        uses.open.push(weak);
        drop(uses);
        Self(kept)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Option<T>> {
        lock(&self.0.value)
    }
}

impl<T: Send + 'static> Drop for Kept<T> {
    fn drop(&mut self) {
        match enter() {
            Some(_use) => drop(self.lock().take()),
            // What this process inherited must not be closed either.
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
    // A thread that is about to end cannot hold anything across the fork.
    if HELD_FOR_FORK.try_with(|_| ()).is_err() {
        return;
    }
    let mut uses = lock(&USES);
    (uses.forking, uses.epoch) = (true, epoch());
    let waited = ENDED.wait_timeout_while(uses, PATIENCE, |uses| uses.count > 0);
    let (uses, _) = waited.unwrap_or_else(PoisonError::into_inner);
    if uses.count == 0 {
        uses.open.iter().filter_map(Weak::upgrade).for_each(|kept| kept.close());
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
