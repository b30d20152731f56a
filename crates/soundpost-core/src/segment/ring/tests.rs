//! Tests of the ring's internals, and its loom models.

#[cfg(loom)]
mod loom_models;
#[cfg(not(loom))]
mod memory;
#[cfg(not(loom))]
mod stopped;
#[cfg(not(loom))]
mod unit;

use crate::segment::layout::{Layout, header};
use crate::segment::ring::{EventRing, Refused, Slot, Writer};
use crate::segment::{MIN_SEGMENT_BYTES, Owner};
use crate::sync::{AtomicU64, Ordering};

/// Makes a layout of a header and a ring of `ring_words` words.
fn layout(ring_words: usize) -> Layout {
    Layout { ring: 64, ring_words, ..Layout::of_bytes(MIN_SEGMENT_BYTES) }
}

fn fresh(words: &[AtomicU64]) {
    words[header::RING_TAIL_TURNED].store(!0, Ordering::Relaxed);
}

fn put(ring: &EventRing<'_>, payload: &[u64]) -> Result<(), Refused> {
    ring.append(Owner::UNKNOWN, payload.len(), |writer| payload.iter().for_each(|word| writer.put(*word)))
}
