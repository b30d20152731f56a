//! One process.

use std::fs;
use std::path::{Path, PathBuf};

use crate::host::file::{Buffer, Watched};
use crate::host::parse::{keyed, number, words};
use crate::host::run_delay::RunDelay;

/// A process, identified by its pid and start.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// Label: the pid as text.
    pub(super) label: String,
    stat: Watched,
    status: Watched,
    descriptors: PathBuf,
    run_delay: RunDelay,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    /// Read; started this many ticks after the machine.
    Known(u64),
    /// Ended, and the pid belongs to another process.
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Figures {
    pub(super) stat: Stat,
    pub(super) memory: MemoryKinds,
    pub(super) descriptors: Option<u64>,
    /// Seconds since its first sample, and those of the threads that ran then.
    pub(super) run_delay: Option<f64>,
}

/// From `/proc/<pid>/status`, proc_pid_status(5), in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct MemoryKinds {
    pub(super) anonymous: Option<f64>,
    pub(super) swapped: Option<f64>,
}

impl Process {
    pub(super) fn new(root: &Path, pid: u32) -> Self {
        let label = pid.to_string();
        let directory = root.join("proc").join(&label);
        let stat = Watched::new(directory.join("stat"));
        let (status, run_delay) =
            (Watched::new(directory.join("status")), RunDelay::new(directory.join("task")));
        Self { pid, label, stat, status, descriptors: directory.join("fd"), run_delay, state: State::New }
    }

    /// Reads the process; `None` after its end.
    ///
    /// `sizes`: whether the kernel reports the number of descriptors as the size of their directory.
    pub(super) fn read(&mut self, sizes: bool, buffer: &mut Buffer) -> Option<Figures> {
        if self.state == State::Gone || !self.stat.open() {
            return None;
        }
        // Keep this order: the open file belongs to this process and cannot be read after its end. So the
        // descriptors, which were found by pid, were those of this process.
        let descriptors = self.count_descriptors(sizes);
        let stat = self.stat.read(buffer).and_then(Stat::parse)?;
        match self.state {
            State::Known(started) if started != stat.started => {
                self.state = State::Gone;
                None
            }
            // A zombie has only its pid.
            _ if matches!(stat.state, b'Z' | b'X') => None,
            _ => {
                self.state = State::Known(stat.started);
                let memory = self.status.read(buffer).map(MemoryKinds::parse).unwrap_or_default();
                let run_delay = self.run_delay.sample(stat.threads, buffer);
                Some(Figures { stat, memory, descriptors, run_delay })
            }
        }
    }

    fn count_descriptors(&self, sizes: bool) -> Option<u64> {
        if sizes {
            let told = fs::metadata(&self.descriptors).map(|directory| directory.len());
            // Kernels without support also report 0.
            if let Ok(1..) = told {
                return told.ok();
            }
        }
        let entries = fs::read_dir(&self.descriptors).ok()?;
        entries.map(|entry| entry.ok().map(|_| 1)).sum()
    }
}

impl MemoryKinds {
    fn parse(status: &[u8]) -> Self {
        let bytes = |key| keyed(status, key).map(|kibibytes| kibibytes as f64 * 1024.0);
        Self { anonymous: bytes("RssAnon:"), swapped: bytes("VmSwap:") }
    }
}

/// From `/proc/<pid>/stat`, proc_pid_stat(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    state: u8,
    pub(super) major_faults: u64,
    /// User and system time, in ticks.
    pub(super) ticks: u64,
    pub(super) threads: u64,
    /// Ticks after the machine's start.
    pub(super) started: u64,
    /// Resident pages. The kernel counts per CPU and adds up late, so the value is accurate to some hundred pages.
    pub(super) pages: u64,
}

impl Stat {
    /// The name in parentheses may contain any bytes, including parentheses and line ends: it ends at the last one.
    fn parse(text: &[u8]) -> Option<Self> {
        let end = text.iter().rposition(|&byte| byte == b')')?;
        let rest = text.get(end + 1..)?;
        // A number at the end may have been cut off.
        let whole = rest.iter().rposition(u8::is_ascii_whitespace)?;
        let mut words = words(rest.get(..whole)?);
        let state = words.next().filter(|word| word.len() == 1)?;
        // The rest begins with field 4.
        let mut field = |skip| words.nth(skip).and_then(number);
        let major_faults = field(8)?;
        let (user, system) = (field(1)?, field(0)?);
        let (threads, started) = (field(4)?, field(1)?);
        let pages = field(1)?;
        let ticks = user.checked_add(system)?;
        Some(Self { state: *state.first()?, major_faults, ticks, threads, started, pages })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: &str = "42 (a) b\n) (c)) S 1 42 42 0 -1 4194304 900 0 6 0 150 50 7 8 20 0 3 0 12345 99999 777 \
                        18446744073709551615 1 1 0\n";

    #[test]
    fn finds_the_fields_behind_any_name() {
        let stat = Stat::parse(LINE.as_bytes()).unwrap();
        let expected =
            Stat { state: b'S', major_faults: 6, ticks: 200, threads: 3, started: 12345, pages: 777 };
        assert_eq!(stat, expected);
    }

    #[test]
    fn a_cut_is_never_a_smaller_number() {
        let whole = Stat::parse(LINE.as_bytes());
        for end in 0..LINE.len() {
            let part = Stat::parse(&LINE.as_bytes()[..end]);
            assert!(part.is_none() || part == whole, "{end}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(text: Vec<u8>, line in "[0-9() A-Z\n]{0,80}") {
            Stat::parse(&text);
            Stat::parse(line.as_bytes());
        }
    }
}
