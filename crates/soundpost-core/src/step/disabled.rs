//! Steps without kills.

/// Marks a step; does nothing.
#[inline(always)]
pub fn reach(_step: &str) {}
