//! Pieces of statements.

/// `?1, ?2, ...`: places for so many values.
pub(super) fn places(count: usize) -> String {
    (1..=count).map(|place| format!("?{place}")).collect::<Vec<_>>().join(", ")
}
