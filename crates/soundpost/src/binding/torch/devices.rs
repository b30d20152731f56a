//! Selection of the devices to read.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// A set of PyTorch's first 64 devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Devices(u64);

impl Devices {
    pub(super) fn of(devices: impl IntoIterator<Item = u32>) -> Self {
        Self(devices.into_iter().fold(0, |mask, device| mask | bit(device)))
    }

    /// Returns whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns the devices' numbers, ascending.
    pub fn iter(self) -> impl Iterator<Item = u32> {
        (0..u64::BITS).filter(move |device| self.0 & bit(*device) != 0)
    }
}

/// The devices that hold memory, and the next one of the others.
///
/// A model can use any device, not only the current one. Reading all devices each time would be too slow.
#[derive(Default)]
pub(super) struct Rota {
    hold: AtomicU64,
    turn: AtomicU32,
}

impl Rota {
    /// Returns the devices to read now, of `count`.
    pub(super) fn next(&self, count: u32) -> Devices {
        let all = Devices::of(0..count.min(u64::BITS));
        let hold = self.hold.load(Ordering::Relaxed) & all.0;
        if hold == 0 || hold == all.0 {
            return all;
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % count.min(u64::BITS);
        Devices(hold | bit(turn))
    }

    /// Notes that a device holds memory.
    pub(super) fn holds(&self, device: u32) {
        self.hold.fetch_or(bit(device), Ordering::Relaxed);
    }
}

fn bit(device: u32) -> u64 {
    1_u64.checked_shl(device).unwrap_or(0)
}
