//! Selection of the devices to read.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Some of PyTorch's devices; of those from the 65th on none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Devices(u64);

impl Devices {
    pub(super) fn of(devices: impl IntoIterator<Item = u32>) -> Self {
        Self(devices.into_iter().fold(0, |mask, device| mask | bit(device)))
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Their numbers, ascending.
    pub fn iter(self) -> impl Iterator<Item = u32> {
        (0..u64::BITS).filter(move |device| self.0 & bit(*device) != 0)
    }
}

/// Devices that hold memory, and whose turn it is among the others.
///
/// The device of a model is the host's affair: `cuda:1` need not be the current one. To read them all
/// each time would cost eight times as much on a machine with eight.
#[derive(Default)]
pub(super) struct Rota {
    hold: AtomicU64,
    turn: AtomicU32,
}

impl Rota {
    /// Those to read now of `count`.
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
