//! Time on a device by process, from the driver's samples of several seconds.

use std::collections::BTreeMap;

use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError;

use super::fault::Answers;
use super::quantity;
use super::reading::NEXT_QUESTION;
use crate::reading::Readings;

const PROCESS_UTILIZATION: u8 = NEXT_QUESTION;

/// Reader of the samples of one device.
#[derive(Debug, Default)]
pub(super) struct ProcessUtilization {
    /// Time of the newest sample that was read, in the driver's microseconds.
    newest: u64,
}

impl ProcessUtilization {
    /// Adds the shares of the own processes and of all others together. Its pids must be those of this namespace.
    pub(super) fn read(
        &mut self,
        device: &Device<'_>,
        answers: &mut Answers,
        (gpu, own): (&str, &[u32]),
        readings: &mut Readings,
    ) {
        let samples =
            answers.ask(PROCESS_UTILIZATION, || match device.process_utilization_stats(self.newest) {
                // No process used the device since then.
                Err(NvmlError::NotFound) => Ok(Vec::new()),
                samples => samples,
            });
        let Some(samples) = samples else { return };
        let mut percents: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        // Drivers may return an older sample again, and garbage percentages.
        let fresh = samples.iter().filter(|sample| sample.timestamp > self.newest && sample.sm_util <= 100);
        for sample in fresh {
            percents.entry(sample.pid).or_default().push(sample.sm_util);
        }
        self.newest = samples.iter().map(|sample| sample.timestamp).fold(self.newest, u64::max);
        let mean = |percents: &Vec<u32>| percents.iter().sum::<u32>() as f64 / percents.len() as f64 / 100.0;
        let mut push = |pid: &str, ratio: f64| {
            readings.push(&quantity::PROCESS_UTILIZATION, &[gpu, pid], ratio.min(1.0));
        };
        for pid in own {
            push(&pid.to_string(), percents.get(pid).map_or(0.0, mean));
        }
        let others = percents.iter().filter(|(pid, _)| !own.contains(pid));
        push("other", others.map(|(_, percents)| mean(percents)).fold(0.0, |sum, ratio| sum + ratio));
    }
}
