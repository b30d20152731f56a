//! Telemetry of a scope, such as of one test: `#[instrument]` records there, and not to the first telemetry of the
//! process.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::telemetry::Telemetry;

/// Number of scopes of all threads; without any, a call looks for none.
static SCOPES: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static ENTERED: RefCell<Vec<Telemetry>> = const { RefCell::new(Vec::new()) };
}

/// A scope of this thread, until it is dropped.
#[must_use = "the scope lasts as long as this value"]
pub struct Scope {
    /// The scope belongs to the thread that entered it.
    here: PhantomData<*const ()>,
}

impl Telemetry {
    /// Has functions with `#[instrument]` on this thread record to this telemetry until the scope is dropped. Scopes
    /// nest.
    pub fn scope(&self) -> Scope {
        ENTERED.with_borrow_mut(|entered| entered.push(self.clone()));
        SCOPES.fetch_add(1, Ordering::Relaxed);
        Scope { here: PhantomData }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        SCOPES.fetch_sub(1, Ordering::Relaxed);
        let left = ENTERED.try_with(|entered| entered.borrow_mut().pop());
        drop(left);
    }
}

/// Returns the telemetry of the innermost scope of this thread.
#[cfg_attr(not(feature = "macros"), allow(dead_code))]
pub(crate) fn current() -> Option<Telemetry> {
    if SCOPES.load(Ordering::Relaxed) == 0 {
        return None;
    }
    ENTERED.try_with(|entered| entered.borrow().last().cloned()).ok().flatten()
}
