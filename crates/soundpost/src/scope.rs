//! Telemetry of a scope, such as of one test: `#[instrument]` records there, and not to the first telemetry of the
//! process.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::telemetry::Telemetry;

/// Number of scopes of all threads; without any, a call looks for none.
static SCOPES: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Scopes of this thread with their numbers, the innermost last.
    static ENTERED: RefCell<Vec<(u64, Telemetry)>> = const { RefCell::new(Vec::new()) };
}

/// A scope of this thread, until it is dropped.
#[must_use = "the scope lasts as long as this value"]
pub struct Scope {
    number: u64,
    /// The scope belongs to the thread that entered it.
    here: PhantomData<*const ()>,
}

impl Telemetry {
    /// Has functions with `#[instrument]` on this thread record to this telemetry until the scope is dropped. Scopes
    /// nest.
    pub fn scope(&self) -> Scope {
        let number = ENTERED.with_borrow_mut(|entered| {
            let number = entered.last().map_or(0, |(number, _)| number + 1);
            entered.push((number, self.clone()));
            number
        });
        SCOPES.fetch_add(1, Ordering::Relaxed);
        Scope { number, here: PhantomData }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        SCOPES.fetch_sub(1, Ordering::Relaxed);
        // An outer scope may be dropped before an inner one. The telemetry is dropped outside of the borrow.
        let left = ENTERED.try_with(|entered| {
            let mut entered = entered.borrow_mut();
            let at = entered.iter().position(|(number, _)| *number == self.number);
            at.map(|at| entered.remove(at))
        });
        drop(left);
    }
}

/// Returns the telemetry of the innermost scope of this thread.
#[cfg_attr(not(feature = "macros"), allow(dead_code))]
pub(crate) fn current() -> Option<Telemetry> {
    if SCOPES.load(Ordering::Relaxed) == 0 {
        return None;
    }
    ENTERED.try_with(|entered| entered.borrow().last().map(|(_, telemetry)| telemetry.clone())).ok().flatten()
}
