//! Time that the threads of a process waited for a CPU (`Documentation/scheduler/sched-stats.rst`).

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use crate::host::file::{Buffer, Watched};
use crate::host::parse::{lines, number, words};

/// Number of threads that one sample reads. With more, they are read in every second sample, every third and so on.
const THREADS_PER_SAMPLE: u64 = 128;
/// Maximum number of threads of a process; with more there is no reading.
const MAX_THREADS: u64 = 8192;

/// The run delay of a process, summed over its threads. It never falls when a thread ends.
///
/// The files are opened anew each time: kept open, they would use one descriptor of the service for each thread.
#[derive(Debug)]
pub(super) struct RunDelay {
    tasks: PathBuf,
    /// Nanoseconds of each thread at the last sample.
    threads: HashMap<u32, u64>,
    nanos: u64,
    is_known: bool,
    skipped: u64,
}

impl RunDelay {
    pub(super) fn new(tasks: PathBuf) -> Self {
        Self { tasks, threads: HashMap::new(), nanos: 0, is_known: false, skipped: 0 }
    }

    /// Returns the seconds of the threads at the first sample, and of all threads since then; `None` if the kernel does
    /// not report them.
    pub(super) fn sample(&mut self, threads: u64, buffer: &mut Buffer) -> Option<f64> {
        if threads > MAX_THREADS {
            return None;
        }
        self.skipped += 1;
        if !self.is_known || self.skipped * THREADS_PER_SAMPLE >= threads {
            self.read(buffer)?;
        }
        Some(self.nanos as f64 / 1e9)
    }

    fn read(&mut self, buffer: &mut Buffer) -> Option<()> {
        self.skipped = 0;
        let mut now = HashMap::with_capacity(self.threads.len());
        for entry in fs::read_dir(&self.tasks).ok()?.flatten() {
            let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let mut file = Watched::new(entry.path().join("schedstat"));
            if let Some(delay) = file.read(buffer).and_then(run_delay) {
                now.insert(id, delay);
            }
        }
        if now.is_empty() {
            return None;
        }
        for (id, delay) in &now {
            // A thread whose delay fell is a new one with the id of another.
            let before = self.threads.get(id).copied().filter(|before| before <= delay).unwrap_or(0);
            self.nanos = self.nanos.saturating_add(delay - before);
        }
        (self.threads, self.is_known) = (now, true);
        Some(())
    }
}

/// Returns the second number of `schedstat`: nanoseconds on a run queue.
fn run_delay(text: &[u8]) -> Option<u64> {
    words(lines(text).next()?).nth(1).and_then(number)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn put(tasks: &Path, thread: u32, nanos: u64) {
        let folder = tasks.join(thread.to_string());
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("schedstat"), format!("5 {nanos} 7\n")).unwrap();
    }

    #[test]
    fn delay_never_falls_when_threads_end_or_ids_return() {
        let tasks = tempfile::tempdir().unwrap();
        let mut delay = RunDelay::new(tasks.path().to_path_buf());
        let mut sample = |threads| delay.sample(threads, &mut Buffer::default());
        assert_eq!(sample(1), None);
        put(tasks.path(), 1, 1_000_000_000);
        put(tasks.path(), 2, 2_000_000_000);
        assert_eq!(sample(2), Some(3.0));
        put(tasks.path(), 1, 1_500_000_000);
        assert_eq!(sample(2), Some(3.5));
        fs::remove_dir_all(tasks.path().join("2")).unwrap();
        assert_eq!(sample(1), Some(3.5));
        put(tasks.path(), 2, 250_000_000);
        assert_eq!(sample(2), Some(3.75));
        put(tasks.path(), 2, 125_000_000);
        assert_eq!(sample(2), Some(3.875));
    }

    #[test]
    fn many_threads_are_read_less_often() {
        let tasks = tempfile::tempdir().unwrap();
        let mut delay = RunDelay::new(tasks.path().to_path_buf());
        let mut sample = |seconds: u64, threads| {
            put(tasks.path(), 1, seconds * 1_000_000_000);
            delay.sample(threads, &mut Buffer::default())
        };
        assert_eq!(sample(1, 300), Some(1.0));
        assert_eq!([sample(2, 300), sample(3, 300)], [Some(1.0), Some(1.0)]);
        assert_eq!(sample(4, 300), Some(4.0));
        assert_eq!(sample(5, 9000), None);
    }
}
