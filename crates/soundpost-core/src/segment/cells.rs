//! Cells of a segment: numbers with a word in every lane.

use std::sync::atomic::Ordering::Relaxed;

use super::layout::{LANES, header};
use super::{Segment, lane};
use crate::sync::{AtomicU64, Ordering};

impl Segment {
    /// Allocates `count` cells in every lane, and leaves `reserved` ones free.
    pub(crate) fn allocate_cells(&self, count: usize, reserved: usize) -> Option<u32> {
        self.bump(header::CELLS_USED, count, self.layout.lane_words.saturating_sub(reserved))
    }

    /// Returns the number of free cells in every lane.
    pub(crate) fn free_cells(&self) -> usize {
        let used = self.words()[header::CELLS_USED].load(Ordering::Relaxed);
        self.layout.lane_words.saturating_sub(usize::try_from(used).unwrap_or(usize::MAX))
    }

    #[inline]
    pub(crate) fn add(&self, cell: u32, amount: u64) {
        self.add_in(lane::of(self), cell, amount);
    }

    #[inline]
    fn add_in(&self, lane: lane::Lane, cell: u32, amount: u64) {
        let word = &self.words()[lane.start + cell as usize];
        if lane.exclusive {
            word.store(word.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
        } else {
            word.fetch_add(amount, Ordering::Relaxed);
        }
    }

    /// Sets the cell that counts rejected values.
    pub(crate) fn set_rejected(&self, cell: u32) {
        self.rejected.store(u64::from(cell), Relaxed);
    }

    #[cold]
    pub(crate) fn reject(&self, times: u64) {
        if let Ok(cell) = u32::try_from(self.rejected.load(Relaxed)) {
            self.add(cell, times);
        }
    }

    #[inline]
    pub(crate) fn add_f64(&self, cell: u32, amount: f64) {
        self.add_f64_in(lane::of(self), cell, amount);
    }

    #[inline]
    fn add_f64_in(&self, lane: lane::Lane, cell: u32, amount: f64) {
        let word = &self.words()[lane.start + cell as usize];
        let mut now = word.load(Ordering::Relaxed);
        loop {
            let next = (f64::from_bits(now) + amount).to_bits();
            if lane.exclusive {
                return word.store(next, Ordering::Relaxed);
            }
            match word.compare_exchange_weak(now, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(other) => now = other,
            }
        }
    }

    /// Raises a whole-number cell to `value`; never lowers it.
    pub(crate) fn raise(&self, cell: u32, value: u64) {
        let others = (1..LANES).fold(0_u64, |sum, lane| {
            sum.wrapping_add(self.words()[self.layout.lane(lane) + cell as usize].load(Ordering::Relaxed))
        });
        self.shared_cell(cell).fetch_max(value.saturating_sub(others), Ordering::Relaxed);
    }

    /// Raises a floating-point cell to `value`; never lowers it.
    pub(crate) fn raise_f64(&self, cell: u32, value: f64) {
        let others = (1..LANES).fold(0.0, |sum, lane| {
            let word = &self.words()[self.layout.lane(lane) + cell as usize];
            sum + f64::from_bits(word.load(Ordering::Relaxed))
        });
        // The bits of non-negative floats have the order of the floats.
        self.shared_cell(cell).fetch_max((value - others).max(0.0).to_bits(), Ordering::Relaxed);
    }

    /// Counts an observation `times` times in the cell `bucket` and adds it to the cell `sum`.
    #[inline]
    pub(crate) fn observe(&self, bucket: u32, sum: u32, value: f64, times: u64) {
        let lane = lane::of(self);
        self.add_in(lane, bucket, times);
        self.add_f64_in(lane, sum, value * times as f64);
    }

    /// Returns a cell's word in the shared lane, which holds gauges and absolute counters.
    #[inline]
    pub(crate) fn shared_cell(&self, cell: u32) -> &AtomicU64 {
        &self.words()[self.layout.lane(0) + cell as usize]
    }

    /// Returns adjacent cells in the shared lane.
    pub(crate) fn shared_cells(&self, cell: u32, count: usize) -> &[AtomicU64] {
        &self.words()[self.layout.lane(0) + cell as usize..][..count]
    }

    /// Sets a cell to 0 in every lane. A concurrent addition may survive.
    pub(crate) fn clear_cell(&self, cell: u32) {
        for lane in 0..LANES {
            self.words()[self.layout.lane(lane) + cell as usize].store(0, Ordering::Relaxed);
        }
    }
}
