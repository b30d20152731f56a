//! Values that a forked child does not share with its parent.

use crate::registry::{AppendMap, hash_of};
use crate::segment::{epoch, slow_path};

/// A value that each process makes for itself. After a fork the child starts without one, whatever the state
/// of the parent's (a locked mutex, a missing thread).
pub struct PerProcess<T> {
    values: AppendMap<u32, T>,
}

impl<T> PerProcess<T> {
    /// Makes a cell without a value.
    pub const fn new() -> Self {
        Self { values: AppendMap::new() }
    }

    /// Returns this process's value, if it was made.
    pub fn get(&self) -> Option<&T> {
        self.get_of(epoch())
    }

    /// Returns the value that the process of an epoch made: this one, or one that this was forked from.
    pub(crate) fn get_of(&self, epoch: u32) -> Option<&T> {
        self.values.get(hash_of(epoch), |key| *key == epoch)
    }

    /// Returns this process's value. If two threads make one, the first is kept.
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
