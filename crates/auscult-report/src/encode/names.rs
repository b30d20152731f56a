//! Names of fields: made of what a format allows, and each there once.

use std::ops::Range;

use super::losses::Losses;

/// More fields than this are left out of an event or a point.
pub(super) const FIELDS: usize = 256;

/// Longest name, bytes.
pub(super) const NAME: usize = 256;

/// Settles the name that was written from `start` on: with a `_` at its end if it is taken. `None` if it is
/// empty, or taken still. `lost` is what this name lost: it counts as cleaned once.
pub(super) fn settle(
    out: &mut Vec<u8>,
    start: usize,
    reserved: &[&str],
    taken: &[Range<usize>],
    lost: &mut Losses,
) -> Option<Range<usize>> {
    let is_taken = |out: &[u8]| {
        let name = &out[start..];
        reserved.iter().any(|reserved| reserved.as_bytes() == name)
            || taken.iter().any(|other| out[other.clone()] == *name)
    };
    if out.len() == start {
        return None;
    }
    if is_taken(out) {
        out.push(b'_');
        if is_taken(out) {
            return None;
        }
        lost.cleaned = 1;
    }
    Some(start..out.len())
}

/// Appends a name with `_` for every character that is not allowed.
pub(super) fn push_allowed(out: &mut Vec<u8>, name: &str, allowed: fn(u8) -> bool, losses: &mut Losses) {
    let cut = &name[..name.floor_char_boundary(NAME)];
    losses.shortened += u64::from(cut.len() < name.len());
    if cut.bytes().all(allowed) {
        return out.extend_from_slice(cut.as_bytes());
    }
    let clean = |c: char| u8::try_from(c).ok().filter(|byte| byte.is_ascii() && allowed(*byte));
    out.extend(cut.chars().map(|c| clean(c).unwrap_or(b'_')));
    losses.cleaned += 1;
}
