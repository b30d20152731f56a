//! Reading and checking of a device's values.
//!
//! The bounds come from physics and the API's documentation, with room for future hardware: drivers return
//! 644245923 for a temperature and 65535 for a percentage when a device fails.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use nvml_wrapper::Device;
use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{
    Clock, EccCounter, MemoryError, PcieUtilCounter, TemperatureSensor,
};

use super::fault::Answers;
use super::memory::NEXT_QUESTION;
use super::quantity;
use super::raw;
use crate::reading::{Quantity, Readings};

const UTILIZATION: u8 = NEXT_QUESTION;
const TEMPERATURE: u8 = UTILIZATION + 1;
const POWER: u8 = UTILIZATION + 2;
const FAN_V1: u8 = UTILIZATION + 3;
const THROTTLE: u8 = UTILIZATION + 4;
const ENERGY: u8 = UTILIZATION + 5;
const TEMPERATURE_NEW: u8 = UTILIZATION + 6;
const THROTTLE_NEW: u8 = UTILIZATION + 7;
/// Each clock, direction of PCIe, kind of ECC error and fan has a call number.
const CLOCK: u8 = UTILIZATION + 8;
const PCIE: u8 = UTILIZATION + 12;
const ECC: u8 = UTILIZATION + 14;
const FAN: u8 = UTILIZATION + 16;
/// Maximum number of fans per device.
const MOST_FANS: u32 = 8;
const CELSIUS: RangeInclusive<f64> = 0.0..=150.0;
const WATTS: RangeInclusive<f64> = 0.0..=10_000.0;
const HERTZ: RangeInclusive<f64> = 0.0..=2.0e10;
const PERCENT: RangeInclusive<f64> = 0.0..=100.0;
/// "This value may exceed 100 % in certain cases": `nvmlDeviceGetFanSpeed_v2`.
const FAN_PERCENT: RangeInclusive<f64> = 0.0..=200.0;
/// PCIe 7.0 with 16 lanes is below 0.3 TB/s.
const BYTES_PER_SECOND: RangeInclusive<f64> = 0.0..=1.0e12;
/// A kilowatt for 30 years.
const JOULES: RangeInclusive<f64> = 0.0..=1.0e12;
const ERRORS: RangeInclusive<f64> = 0.0..=1.0e15;
/// Minimum time between two calls of `nvmlDeviceGetPcieThroughput`, which measures each direction for 20 ms.
const PCIE_EVERY: Duration = Duration::from_secs(5);

/// Reasons that slow a GPU down; idleness and configured clocks are none.
const REASONS: [(&str, ThrottleReasons); 6] = [
    ("power_cap", ThrottleReasons::SW_POWER_CAP),
    ("hardware_slowdown", ThrottleReasons::HW_SLOWDOWN),
    ("sync_boost", ThrottleReasons::SYNC_BOOST),
    ("thermal", ThrottleReasons::SW_THERMAL_SLOWDOWN),
    ("hardware_thermal", ThrottleReasons::HW_THERMAL_SLOWDOWN),
    ("power_brake", ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN),
];

/// Last measured PCIe throughput: sent, received, in KB/s.
#[derive(Debug, Default)]
pub(super) struct Pcie {
    asked: Option<Instant>,
    kilobytes: [Option<u32>; 2],
}

impl Pcie {
    /// Reports whether a measurement is due.
    pub(super) fn is_due(&self) -> bool {
        self.asked.is_none_or(|asked| asked.elapsed() >= PCIE_EVERY)
    }

    pub(super) fn measure(&mut self, device: &Device<'_>, answers: &mut Answers) {
        self.asked = Some(Instant::now());
        for (place, counter) in (0..).zip([PcieUtilCounter::Send, PcieUtilCounter::Receive]) {
            self.kilobytes[usize::from(place)] =
                answers.ask(PCIE + place, || device.pcie_throughput(counter));
        }
    }
}

/// Adds a plausible value, or counts an implausible one.
pub(super) fn judge(
    readings: &mut Readings,
    quantity: &'static Quantity,
    labels: &[&str],
    value: Option<f64>,
    range: &RangeInclusive<f64>,
    scale: f64,
) {
    match value {
        Some(value) if range.contains(&(value * scale)) => readings.push(quantity, labels, value * scale),
        Some(_) => readings.reject(quantity),
        None => {}
    }
}

/// Adds a percentage as a ratio.
fn percent(readings: &mut Readings, quantity: &'static Quantity, labels: &[&str], value: u32) {
    match f64::from(value) {
        value if PERCENT.contains(&value) => readings.push(quantity, labels, value / 100.0),
        _ => readings.reject(quantity),
    }
}

/// Adds the power limit in milliwatts, which rarely changes.
pub(super) fn power_limit(readings: &mut Readings, labels: &[&str; 4], milliwatts: Option<u32>) {
    let milliwatts = milliwatts.map(f64::from);
    judge(readings, &quantity::POWER_LIMIT, labels, milliwatts, &(0.001..=*WATTS.end()), 1e-3);
}

/// Adds the utilization of a device. Returns whether a kernel ran. Labels: gpu, uuid, name, mig.
pub(super) fn utilization(
    device: &Device<'_>,
    answers: &mut Answers,
    labels: &[&str; 4],
    readings: &mut Readings,
) -> bool {
    let Some(rates) = answers.ask(UTILIZATION, || device.utilization_rates()) else { return false };
    percent(readings, &quantity::UTILIZATION, labels, rates.gpu);
    percent(readings, &quantity::MEMORY_UTILIZATION, labels, rates.memory);
    rates.gpu > 0
}

/// Adds temperature and power of a busy or idle device.
pub(super) fn load(
    device: &Device<'_>,
    answers: &mut Answers,
    labels: &[&str; 4],
    busy: bool,
    readings: &mut Readings,
) {
    let temperature = answers
        .ask(TEMPERATURE, || device.temperature(TemperatureSensor::Gpu))
        .or_else(|| answers.ask(TEMPERATURE_NEW, || raw::temperature(device)));
    judge(readings, &quantity::TEMPERATURE, labels, temperature.map(f64::from), &CELSIUS, 1.0);
    match answers.ask(POWER, || device.power_usage()) {
        Some(0) if busy => readings.reject(&quantity::POWER),
        power => judge(readings, &quantity::POWER, labels, power.map(f64::from), &WATTS, 1e-3),
    }
}

/// Adds clocks, the fan and throttle reasons.
pub(super) fn speed(
    device: &Device<'_>,
    answers: &mut Answers,
    fans: u32,
    labels: &[&str; 4],
    readings: &mut Readings,
) {
    let [gpu, uuid, name, mig] = *labels;
    let clocks = [Clock::Graphics, Clock::SM, Clock::Memory, Clock::Video];
    for (place, clock) in (0..).zip(clocks) {
        let label = ["graphics", "sm", "memory", "video"][usize::from(place)];
        let megahertz = answers.ask(CLOCK + place, || device.clock_info(clock)).map(f64::from);
        let labels = [gpu, uuid, name, mig, label];
        judge(readings, &quantity::CLOCK, &labels, megahertz, &HERTZ, 1e6);
    }
    let fastest = (0..fans.min(MOST_FANS))
        .filter_map(|fan| answers.ask(FAN + fan as u8, || device.fan_speed(fan)))
        .max()
        .or_else(|| answers.ask(FAN_V1, || raw::fan_speed_v1(device)));
    match fastest.map(f64::from) {
        Some(speed) if FAN_PERCENT.contains(&speed) => {
            readings.push(&quantity::FAN, labels, speed / 100.0);
        }
        Some(_) => readings.reject(&quantity::FAN),
        None => {}
    }
    let reasons = answers.ask(THROTTLE, || device.current_throttle_reasons());
    let reasons = reasons.or_else(|| {
        answers.ask(THROTTLE_NEW, || raw::event_reasons(device)).map(ThrottleReasons::from_bits_truncate)
    });
    if let Some(now) = reasons {
        for (reason, bit) in REASONS {
            let labels = [gpu, uuid, name, mig, reason];
            readings.push(&quantity::THROTTLED, &labels, f64::from(u8::from(now.contains(bit))));
        }
    }
}

/// Adds traffic, energy and memory errors.
pub(super) fn totals(
    device: &Device<'_>,
    answers: &mut Answers,
    pcie: &Pcie,
    labels: &[&str; 4],
    readings: &mut Readings,
) {
    let [gpu, uuid, name, mig] = *labels;
    for (direction, kilobytes) in ["send", "receive"].into_iter().zip(pcie.kilobytes) {
        let labels = [gpu, uuid, name, mig, direction];
        judge(readings, &quantity::PCIE, &labels, kilobytes.map(f64::from), &BYTES_PER_SECOND, 1e3);
    }
    let energy = answers.ask(ENERGY, || device.total_energy_consumption()).map(|energy| energy as f64);
    judge(readings, &quantity::ENERGY, &[gpu, uuid, name], energy, &JOULES, 1e-3);
    for (place, kind) in (0..).zip([MemoryError::Corrected, MemoryError::Uncorrected]) {
        let label = ["corrected", "uncorrected"][usize::from(place)];
        let errors = answers
            .ask(ECC + place, || device.total_ecc_errors(kind, EccCounter::Volatile))
            .map(|errors| errors as f64);
        judge(readings, &quantity::ECC_ERRORS, &[gpu, uuid, name, label], errors, &ERRORS, 1.0);
    }
}
