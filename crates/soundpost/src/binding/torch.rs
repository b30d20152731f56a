//! Memory of PyTorch's caching allocator at the start and the end of a call.
//!
//! Only Python can read the allocator, so a binding passes the numbers. This module selects the devices to read, stops
//! when reading is too slow, and maps devices to GPUs.

mod devices;
mod gauges;

use std::ops::Add;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use soundpost_core::Call;

pub use devices::Devices;
use gauges::Gauges;

use crate::telemetry::Telemetry;

/// Maximum average duration of a reading, nanoseconds.
const LIMIT: u64 = 50_000;
/// Maximum duration counted for a reading, because it can wait for another thread's allocation.
const MOST: u64 = 4 * LIMIT;
/// Weight of a reading in the moving mean, as a divisor.
const PART: u64 = 8;

/// When PyTorch's allocator is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reads {
    /// Never.
    Never,
    /// While a reading takes at most 50 µs on average.
    #[default]
    WhileCheap,
    /// Always, regardless of the duration.
    Always,
}

/// Memory of a device in PyTorch's caching allocator, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Memory of live tensors.
    pub allocated: u64,
    /// Memory reserved from the driver: allocated or cached.
    pub reserved: u64,
    /// Peak of the allocated memory since the service reset it, or since the process began.
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
    /// Duration of the reading.
    pub took: Duration,
}

impl Reading {
    fn sum(&self) -> Memory {
        self.devices.iter().fold(Memory::default(), |sum, (_, memory)| sum + *memory)
    }
}

/// Records the memory of PyTorch's allocator around the calls of a service.
///
/// A call has the fields `torch_memory_allocated_before`, `torch_memory_reserved_before`,
/// `torch_memory_peak_before` and the same with `_after`, bytes, summed over the devices that hold memory. The
/// gauges `torch_memory_allocated_bytes` and `torch_memory_reserved_bytes` show the last reading of a device
/// once it is known which GPU that is.
pub struct Allocator {
    telemetry: Telemetry,
    reads: Reads,
    /// Moving mean of a reading's duration, nanoseconds.
    cost: AtomicU64,
    too_slow: AtomicBool,
    devices: devices::Rota,
    gauges: Gauges,
}

impl Allocator {
    /// Creates the recorder; metrics are registered with the first reading.
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

    /// Returns whether the allocator is to be read.
    #[inline]
    pub fn is_read(&self) -> bool {
        match self.reads {
            Reads::Never => false,
            Reads::WhileCheap => !self.too_slow.load(Ordering::Relaxed),
            Reads::Always => true,
        }
    }

    /// Returns which of `count` devices to read now: those that hold memory and one more in turn, or all before the
    /// first one holds memory.
    pub fn devices(&self, count: u32) -> Devices {
        self.devices.next(count)
    }

    /// Returns whether the caller should identify a device's GPU: see [`Allocator::identify`].
    pub fn is_unknown(&self, device: u32) -> bool {
        self.is_read() && self.gauges.wants(device)
    }

    /// Identifies the GPU of a device by its UUID, with or without `GPU-`, or by its position in
    /// `CUDA_VISIBLE_DEVICES`. It takes a snapshot, so failures are retried with backoff.
    pub fn identify(&self, device: u32, uuid: Option<&str>) {
        self.gauges.identify(&self.telemetry, device, uuid);
    }

    /// Records a reading at the start of a call. Returns the devices to read at its end: those that hold memory.
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

    /// Records a reading at the end of a call, before the call is ended.
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
