//! CPU time of the machine, and its utilization.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::host::cgroup::CpuLimit;
use crate::host::parse::{keyed, lines, number, words};

/// Minimum time for a ratio; below it the kernel's accounting is too coarse.
const SHORTEST: Duration = Duration::from_millis(10);

/// A ratio of CPU time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Share {
    Ratio(f64),
    /// Too early, or not readable.
    Absent,
    Impossible,
}

/// CPU time of all CPUs since the start, from `/proc/stat`, in ticks: user, nice, system, idle, iowait, irq,
/// softirq, steal. User time includes guest time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticks {
    states: [u64; 8],
    /// Number of online CPUs.
    pub(super) cpus: u32,
}

const IDLE: [usize; 2] = [3, 4];

impl Ticks {
    pub(super) fn parse(stat: &[u8]) -> Option<Self> {
        let mut lines = lines(stat);
        let mut words = words(lines.next()?);
        if words.next()? != b"cpu" {
            return None;
        }
        let mut states = [0; 8];
        for (index, state) in states.iter_mut().enumerate() {
            match words.next() {
                Some(word) => *state = number(word)?,
                // Kernels before 2.6.11 have four.
                None if index >= 4 => break,
                None => return None,
            }
        }
        let cpus = lines.take_while(|line| line.starts_with(b"cpu")).count();
        Some(Self { states, cpus: u32::try_from(cpus).ok().filter(|&cpus| cpus > 0)? })
    }

    /// Returns the busy ratio since `before`. Each state is subtracted by itself: iowait may decrease
    /// (proc_stat(5)), and all states do when a CPU goes offline.
    pub(super) fn busy_since(&self, before: &Self) -> Share {
        let (mut idle, mut all) = (0u128, 0u128);
        for (index, (now, before)) in self.states.iter().zip(before.states).enumerate() {
            let spent = u128::from(now.saturating_sub(before));
            all += spent;
            if IDLE.contains(&index) {
                idle += spent;
            }
        }
        if all == 0 { Share::Absent } else { Share::Ratio((all - idle) as f64 / all as f64) }
    }

    /// Returns the ticks that the hypervisor gave to other machines.
    pub(super) fn stolen(&self) -> u64 {
        self.states[7]
    }
}

/// Returns the start of the machine in seconds since 1970, from `/proc/stat`.
pub(super) fn boot_time(stat: &[u8]) -> Option<u64> {
    keyed(stat, "btime")
}

/// Utilization of a cgroup's limit between two samples.
#[derive(Debug, Default)]
pub(super) struct GroupShare {
    last: Option<Usage>,
}

#[derive(Debug)]
struct Usage {
    group: PathBuf,
    used: f64,
    at: Instant,
}

impl GroupShare {
    /// Returns the ratio since the last sample of the same group; `machine` is the number of CPUs.
    pub(super) fn of(&mut self, limit: &CpuLimit<'_>, machine: Option<u32>, now: Instant) -> Share {
        let Some(used) = limit.used else {
            self.last = None;
            return Share::Absent;
        };
        match &mut self.last {
            Some(last) if last.group == limit.group => {
                let passed = now.saturating_duration_since(last.at);
                if passed < SHORTEST {
                    return Share::Absent;
                }
                let (spent, passed) = (used - last.used, passed.as_secs_f64());
                (last.used, last.at) = (used, now);
                share(spent, passed, limit.cores, machine)
            }
            _ => {
                self.last = Some(Usage { group: Path::to_path_buf(limit.group), used, at: now });
                Share::Absent
            }
        }
    }

    pub(super) fn forget(&mut self) {
        self.last = None;
    }
}

/// A group may briefly exceed its quota (`cpu.max.burst`, and the rest of a period); such a ratio becomes 1.
/// More than twice the machine's CPUs is implausible.
fn share(spent: f64, passed: f64, cores: f64, machine: Option<u32>) -> Share {
    if spent < 0.0 {
        // The counter restarted.
        return Share::Absent;
    }
    if machine.is_some_and(|cpus| spent > 2.0 * passed * f64::from(cpus)) {
        return Share::Impossible;
    }
    Share::Ratio((spent / (passed * cores)).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(line: &str) -> Option<Ticks> {
        Ticks::parse(format!("{line}\ncpu0 1\ncpu1 1\nintr 5\n").as_bytes())
    }

    #[test]
    fn time_that_is_not_idle_is_busy() {
        let before = ticks("cpu  100 10 20 800 50 5 5 10 3 0").unwrap();
        let after = ticks("cpu  130 10 30 850 55 5 5 15 3 0").unwrap();
        assert_eq!(after.cpus, 2);
        assert_eq!(after.busy_since(&before), Share::Ratio(0.45));
        assert_eq!(after.busy_since(&after), Share::Absent);
        // A decreasing iowait does not reduce the others.
        let later = ticks("cpu  140 10 30 860 40 5 5 15 3 0").unwrap();
        assert_eq!(later.busy_since(&after), Share::Ratio(0.5));
    }

    #[test]
    fn old_and_broken_lines() {
        assert!(ticks("cpu  1 2 3 4").is_some());
        for wrong in ["cpu  1 2 3", "cpu0 1 2 3 4", "cpu  1 2 3 x", "", "cpu  1 2 3 99999999999999999999"] {
            assert_eq!(ticks(wrong), None, "{wrong:?}");
        }
        assert_eq!(Ticks::parse(b"cpu  1 2 3 4"), None);
        let most = ticks(&format!("cpu {0} {0} {0} {0} {0} {0} {0} {0}", u64::MAX)).unwrap();
        assert_eq!(most.busy_since(&ticks("cpu 0 0 0 0").unwrap()), Share::Ratio(0.75));
    }

    #[test]
    fn shares_of_a_limit() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs_f64(seconds);
        let limit = |used| CpuLimit { cores: 2.0, group: Path::new("/a"), used, throttled: None };
        let mut share = GroupShare::default();
        assert_eq!(share.of(&limit(Some(10.0)), Some(4), now), Share::Absent);
        assert_eq!(share.of(&limit(Some(11.0)), Some(4), at(0.001)), Share::Absent);
        assert_eq!(share.of(&limit(Some(11.0)), Some(4), at(1.0)), Share::Ratio(0.5));
        assert_eq!(share.of(&limit(Some(14.0)), Some(4), at(2.0)), Share::Ratio(1.0));
        assert_eq!(share.of(&limit(Some(1e9)), Some(4), at(3.0)), Share::Impossible);
        assert_eq!(share.of(&limit(Some(1.0)), Some(4), at(4.0)), Share::Absent);
        assert_eq!(share.of(&limit(Some(1.5)), Some(4), at(5.0)), Share::Ratio(0.25));
        // Cases: a clock set back, another group, a removed file.
        assert_eq!(share.of(&limit(Some(2.0)), Some(4), now), Share::Absent);
        let other = CpuLimit { group: Path::new("/b"), ..limit(Some(9.0)) };
        assert_eq!(share.of(&other, Some(4), at(6.0)), Share::Absent);
        assert_eq!(share.of(&limit(None), Some(4), at(7.0)), Share::Absent);
    }
}
