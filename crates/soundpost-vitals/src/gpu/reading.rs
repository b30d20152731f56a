//! Reading and checking of a device's values.
//!
//! The bounds come from physics and the API's documentation, with room for future hardware: drivers return
//! 644245923 for a temperature and 65535 for a percentage when a device fails.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use nvml_wrapper::Device;
use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{
    Clock, EccCounter, MemoryError, PcieUtilCounter, PerformancePolicy, TemperatureSensor,
};

use super::fault::Answers;
use super::memory::{self, memory};
use super::quantity;
use super::raw;
use crate::reading::{Quantity, Readings};

const UTILIZATION: u8 = memory::NEXT_QUESTION;
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
const VIOLATION: u8 = FAN + 8;
/// First call number of other files.
pub(super) const NEXT_QUESTION: u8 = VIOLATION + 5;
/// Maximum number of fans per device.
const MOST_FANS: u32 = 8;
const CELSIUS: RangeInclusive<f64> = 0.0..=150.0;
const WATTS: RangeInclusive<f64> = 0.0..=10_000.0;
const HERTZ: RangeInclusive<f64> = 0.0..=2.0e10;
const RATIO: RangeInclusive<f64> = 0.0..=1.0;
/// "This value may exceed 100 % in certain cases": `nvmlDeviceGetFanSpeed_v2`.
const FAN_RATIO: RangeInclusive<f64> = 0.0..=2.0;
/// PCIe 7.0 with 16 lanes is below 0.3 TB/s.
const BYTES_PER_SECOND: RangeInclusive<f64> = 0.0..=1.0e12;
/// A kilowatt for 30 years.
const JOULES: RangeInclusive<f64> = 0.0..=1.0e12;
/// A thousand years.
const SECONDS: RangeInclusive<f64> = 0.0..=3.2e10;
const ERRORS: RangeInclusive<f64> = 0.0..=1.0e15;
/// Minimum time between two calls of `nvmlDeviceGetPcieThroughput`, which measures each direction for 20 ms.
const PCIE_EVERY: Duration = Duration::from_secs(5);

/// Clocks by label.
const CLOCKS: [(&str, Clock); 4] =
    [("graphics", Clock::Graphics), ("sm", Clock::SM), ("memory", Clock::Memory), ("video", Clock::Video)];
/// Reasons that slow a GPU down; idleness and configured clocks are none.
const REASONS: [(&str, ThrottleReasons); 6] = [
    ("power_cap", ThrottleReasons::SW_POWER_CAP),
    ("hardware_slowdown", ThrottleReasons::HW_SLOWDOWN),
    ("sync_boost", ThrottleReasons::SYNC_BOOST),
    ("thermal", ThrottleReasons::SW_THERMAL_SLOWDOWN),
    ("hardware_thermal", ThrottleReasons::HW_THERMAL_SLOWDOWN),
    ("power_brake", ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN),
];

/// Reasons whose time the driver sums up.
const POLICIES: [(&str, PerformancePolicy); 5] = [
    ("power", PerformancePolicy::Power),
    ("thermal", PerformancePolicy::Thermal),
    ("sync_boost", PerformancePolicy::SyncBoost),
    ("board_limit", PerformancePolicy::BoardLimit),
    ("reliability", PerformancePolicy::Reliability),
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

/// Reader of one device: its handle, the results of its calls, its labels gpu, uuid, name and mig, and the readings.
pub(super) struct DeviceReader<'a> {
    pub(super) device: &'a Device<'a>,
    pub(super) answers: &'a mut Answers,
    pub(super) labels: [&'a str; 4],
    pub(super) readings: &'a mut Readings,
}

impl DeviceReader<'_> {
    fn push(&mut self, quantity: &'static Quantity, value: Option<f64>, range: &RangeInclusive<f64>) {
        self.readings.push_within(quantity, &self.labels, value, range);
    }

    /// Adds a value of a part of the device, with the part as the last label.
    fn push_part(
        &mut self,
        quantity: &'static Quantity,
        part: &str,
        value: Option<f64>,
        range: &RangeInclusive<f64>,
    ) {
        let [gpu, uuid, name, mig] = self.labels;
        self.readings.push_within(quantity, &[gpu, uuid, name, mig, part], value, range);
    }

    /// Adds the power limit in milliwatts, which rarely changes.
    pub(super) fn power_limit(&mut self, milliwatts: Option<u32>) {
        self.push(&quantity::POWER_LIMIT, milliwatts.map(thousandths), &(0.001..=*WATTS.end()));
    }

    /// Adds total and used memory. Returns the total where it is known, for checking other values.
    pub(super) fn memory(&mut self) -> Option<u64> {
        let memory = memory(self.device, self.answers)?;
        if !memory.is_plausible() {
            self.readings.reject(&quantity::MEMORY_USED);
            return None;
        }
        self.readings.push(&quantity::MEMORY_USED, &self.labels, memory.used as f64);
        self.readings.push(&quantity::MEMORY_TOTAL, &self.labels, memory.total as f64);
        Some(memory.total)
    }

    /// Adds the utilization. Returns whether a kernel ran.
    pub(super) fn utilization(&mut self) -> bool {
        let Some(rates) = self.answers.ask(UTILIZATION, || self.device.utilization_rates()) else {
            return false;
        };
        self.push(&quantity::UTILIZATION, Some(hundredths(rates.gpu)), &RATIO);
        self.push(&quantity::MEMORY_UTILIZATION, Some(hundredths(rates.memory)), &RATIO);
        rates.gpu > 0
    }

    /// Adds temperature and power of a busy or idle device.
    pub(super) fn load(&mut self, busy: bool) {
        let device = self.device;
        let temperature = self.answers.ask(TEMPERATURE, || device.temperature(TemperatureSensor::Gpu));
        let temperature =
            temperature.or_else(|| self.answers.ask(TEMPERATURE_NEW, || raw::temperature(device)));
        self.push(&quantity::TEMPERATURE, temperature.map(f64::from), &CELSIUS);
        match self.answers.ask(POWER, || device.power_usage()) {
            Some(0) if busy => self.readings.reject(&quantity::POWER),
            power => self.push(&quantity::POWER, power.map(thousandths), &WATTS),
        }
    }

    /// Adds clocks, the fan and throttle reasons.
    pub(super) fn speed(&mut self, fans: u32) {
        let device = self.device;
        for (place, (label, clock)) in (0..).zip(CLOCKS) {
            let megahertz = self.answers.ask(CLOCK + place, || device.clock_info(clock));
            let hertz = megahertz.map(|megahertz| f64::from(megahertz) * 1e6);
            self.push_part(&quantity::CLOCK, label, hertz, &HERTZ);
        }
        let fastest = (0..fans.min(MOST_FANS))
            .filter_map(|fan| self.answers.ask(FAN + fan as u8, || device.fan_speed(fan)))
            .max()
            .or_else(|| self.answers.ask(FAN_V1, || raw::fan_speed_v1(device)));
        self.push(&quantity::FAN, fastest.map(hundredths), &FAN_RATIO);
        let reasons = self.answers.ask(THROTTLE, || device.current_throttle_reasons());
        let newer = || raw::event_reasons(device).map(ThrottleReasons::from_bits_truncate);
        if let Some(now) = reasons.or_else(|| self.answers.ask(THROTTLE_NEW, newer)) {
            for (reason, bit) in REASONS {
                self.push_part(
                    &quantity::THROTTLED,
                    reason,
                    Some(u8::from(now.contains(bit)).into()),
                    &RATIO,
                );
            }
        }
    }

    /// Adds traffic, energy, memory errors and times of throttling.
    pub(super) fn totals(&mut self, pcie: &Pcie) {
        let (device, [gpu, uuid, name, _]) = (self.device, self.labels);
        for (place, (reason, policy)) in (0..).zip(POLICIES) {
            let time = self.answers.ask(VIOLATION + place, || device.violation_status(policy));
            let seconds = time.map(|time| time.violation_time as f64 / 1e9);
            self.readings.push_within(
                &quantity::THROTTLED_SECONDS,
                &[gpu, uuid, name, reason],
                seconds,
                &SECONDS,
            );
        }
        for (direction, kilobytes) in ["send", "receive"].into_iter().zip(pcie.kilobytes) {
            let bytes = kilobytes.map(|kilobytes| f64::from(kilobytes) * 1e3);
            self.push_part(&quantity::PCIE, direction, bytes, &BYTES_PER_SECOND);
        }
        let energy = self.answers.ask(ENERGY, || device.total_energy_consumption());
        let energy = energy.map(|millijoules| millijoules as f64 * 1e-3);
        self.readings.push_within(&quantity::ENERGY, &[gpu, uuid, name], energy, &JOULES);
        let kinds = [("corrected", MemoryError::Corrected), ("uncorrected", MemoryError::Uncorrected)];
        for (place, (label, kind)) in (0..).zip(kinds) {
            let errors =
                self.answers.ask(ECC + place, || device.total_ecc_errors(kind, EccCounter::Volatile));
            let errors = errors.map(|errors| errors as f64);
            self.readings.push_within(&quantity::ECC_ERRORS, &[gpu, uuid, name, label], errors, &ERRORS);
        }
    }
}

fn hundredths(percent: u32) -> f64 {
    f64::from(percent) / 100.0
}

fn thousandths(number: u32) -> f64 {
    f64::from(number) * 1e-3
}
