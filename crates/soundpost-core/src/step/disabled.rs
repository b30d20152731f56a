//! Nobody is killed.

/// Says that a step was reached.
#[inline(always)]
pub fn reach(_step: &str) {}
