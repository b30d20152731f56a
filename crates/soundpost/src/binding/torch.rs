//! PyTorch's caching allocator: its memory at the start and at the end of a call.
//!
//! Only Python can read it, on the thread of the call; a binding reads and passes numbers. This module decides which
//! devices to read, for how long reading is cheap enough, and which GPU the figures belong to.

mod devices;
mod gauges;

use std::ops::Add;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use soundpost_core::Call;

pub use devices::Devices;
use gauges::Gauges;

use crate::telemetry::Telemetry;

/// The most that one reading may take on average, nanoseconds.
const LIMIT: u64 = 50_000;
/// A reading counts as this at most: one that waited for somebody else's allocation is no judgement.
const MOST: u64 = 4 * LIMIT;
/// The mean moves by this part of the difference at each reading.
const PART: u64 = 8;

/// Whether PyTorch's allocator is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reads {
    /// Never.
    Never,
    /// While a reading takes at most 50 µs on average.
    #[default]
    WhileCheap,
    /// Whatever it takes.
    Always,
}

/// What PyTorch's caching allocator says of a device, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// In tensors that live.
    pub allocated: u64,
    /// Taken from the driver: allocated, and kept for later.
    pub reserved: u64,
    /// The most that was allocated since the host reset it, or since the process began.
    pub peak: u64,
}

impl Add for Memory {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            allocated: self.allocated.saturating_add(other.allocated),
            reserved: self.reserved.saturating_add(other.reserved),
            peak: self.peak.saturating_add(other.peak),
        }
    }
}

/// One reading of some devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Memory by device, as PyTorch counts devices.
    pub devices: Vec<(u32, Memory)>,
    /// How long it took.
    pub took: Duration,
}

impl Reading {
    fn sum(&self) -> Memory {
        self.devices.iter().fold(Memory::default(), |sum, (_, memory)| sum + *memory)
    }
}

/// PyTorch's allocator of this process, around the calls of a service.
///
/// A call has the fields `torch_memory_allocated_before`, `torch_memory_reserved_before`,
/// `torch_memory_peak_before` and the same with `_after`, bytes, summed over the devices that hold memory. The
/// gauges `torch_memory_allocated_bytes` and `torch_memory_reserved_bytes` show the last reading of a device
/// once it is known which GPU that is.
pub struct Allocator {
    telemetry: Telemetry,
    reads: Reads,
    /// Moving mean of what a reading takes, nanoseconds.
    cost: AtomicU64,
    too_slow: AtomicBool,
    devices: devices::Rota,
    gauges: Gauges,
}

impl Allocator {
    /// The allocator of this process; nothing is registered before the first reading.
    pub fn new(telemetry: &Telemetry, reads: Reads) -> Self {
        Self {
            telemetry: telemetry.clone(),
            reads,
            cost: AtomicU64::new(0),
            too_slow: AtomicBool::new(false),
            devices: devices::Rota::default(),
            gauges: Gauges::default(),
        }
    }

    /// Whether it is to be read at all, or still.
    #[inline]
    pub fn is_read(&self) -> bool {
        match self.reads {
            Reads::Never => false,
            Reads::WhileCheap => !self.too_slow.load(Ordering::Relaxed),
            Reads::Always => true,
        }
    }

    /// Returns which of `count` devices to read now: those that hold memory, and in turn one more; all, as long as none
    /// is known to hold any.
    pub fn devices(&self, count: u32) -> Devices {
        self.devices.next(count)
    }

    /// Whether somebody should say which GPU a device is: see [`Allocator::identify`].
    pub fn is_unknown(&self, device: u32) -> bool {
        self.is_read() && self.gauges.wants(device)
    }

    /// Finds out which GPU a device is: by its UUID, with or without `GPU-`, or else by its place in
    /// `CUDA_VISIBLE_DEVICES`. Makes a snapshot, so that it is tried ever more seldom where it fails.
    pub fn identify(&self, device: u32, uuid: Option<&str>) {
        self.gauges.identify(&self.telemetry, device, uuid);
    }

    /// Takes a reading at the start of a call. Returns the devices to read at its end; none where none held
    /// memory.
    pub fn started(&self, call: &Call, reading: &Reading) -> Devices {
        let sum = reading.sum();
        call.field("torch_memory_allocated_before", sum.allocated);
        call.field("torch_memory_reserved_before", sum.reserved);
        call.field("torch_memory_peak_before", sum.peak);
        self.took(reading);
        Devices::of(
            reading.devices.iter().filter(|(_, memory)| memory.reserved > 0).map(|(device, _)| *device),
        )
    }

    /// Takes a reading at the end of a call, before the call is ended.
    pub fn ended(&self, call: &Call, reading: &Reading) {
        let sum = reading.sum();
        call.field("torch_memory_allocated_after", sum.allocated);
        call.field("torch_memory_reserved_after", sum.reserved);
        call.field("torch_memory_peak_after", sum.peak);
        self.took(reading);
    }

    fn took(&self, reading: &Reading) {
        for (device, memory) in &reading.devices {
            if memory.reserved > 0 {
                self.devices.holds(*device);
            }
            self.gauges.set(*device, memory);
        }
        let took = u64::try_from(reading.took.as_nanos()).unwrap_or(MOST).min(MOST);
        let mean = self.cost.load(Ordering::Relaxed);
        let mean = mean - mean / PART + took / PART;
        self.cost.store(mean, Ordering::Relaxed);
        if mean > LIMIT && self.reads == Reads::WhileCheap && !self.too_slow.swap(true, Ordering::Relaxed) {
            self.gauges.clear();
            self.telemetry.registry().diagnostics().info_once(
                "torch",
                "torch: reading the allocator takes more than 50 us a time and is left out; torch=\"always\" \
                 reads it nevertheless",
            );
        }
    }
}

impl Drop for Allocator {
    fn drop(&mut self) {
        self.gauges.clear();
    }
}
