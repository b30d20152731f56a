//! Values that a forked child must not share with its parent.

use crate::registry::{AppendMap, hash_of};
use crate::segment::{epoch, slow_path};

/// A value made anew in each process: after a fork the child starts without one, whatever state (a locked
/// mutex, a thread that does not exist) the parent's was in.
pub struct PerProcess<T> {
    values: AppendMap<u32, T>,
}

impl<T> PerProcess<T> {
    /// No value yet.
    pub const fn new() -> Self {
        Self { values: AppendMap::new() }
    }

    /// This process's value, if it was made.
    pub fn get(&self) -> Option<&T> {
        let epoch = epoch();
        self.values.get(hash_of(epoch), |key| *key == epoch)
    }

    /// This process's value. Two threads may both make one; the first is kept.
    pub fn get_or_make(&self, make: impl FnOnce() -> T) -> &T {
        if let Some(value) = self.get() {
            return value;
        }
        let value = make();
        let slow = slow_path();
        match self.get() {
            Some(value) => value,
            None => self.values.insert(&slow, hash_of(epoch()), epoch(), value),
        }
    }
}

impl<T> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new()
    }
}
