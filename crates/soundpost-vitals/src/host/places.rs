//! Free space where a service writes.

use std::path::{Path, PathBuf};

use nix::sys::statvfs::{Statvfs, statvfs};

use crate::host::quantity::{DISK_FREE, DISK_FREE_FILES, DISK_TOTAL};
use crate::reading::Readings;
use crate::source::{Problem, Source};

/// Free space and size of the file systems of the store, the working directories, `/dev/shm` and `/tmp`.
///
/// A source of its own: a network file system that hangs delays no other sample.
#[derive(Debug)]
pub struct Places {
    store: PathBuf,
    root: PathBuf,
    pids: Vec<u32>,
}

impl Places {
    /// Makes the source for a service whose store is in this directory.
    pub fn new(store: &Path) -> Self {
        Self { store: store.to_path_buf(), root: PathBuf::from("/"), pids: Vec::new() }
    }
}

impl Source for Places {
    fn name(&self) -> &'static str {
        "places"
    }

    fn set_pids(&mut self, pids: &[u32]) {
        self.pids = pids.to_vec();
    }

    fn sample(&mut self, readings: &mut Readings) -> Result<(), Problem> {
        let before = readings.readings.len();
        for (place, directory) in [
            ("store", self.store.clone()),
            ("shm", self.root.join("dev/shm")),
            ("tmp", self.root.join("tmp")),
        ] {
            put(readings, place, statvfs(&directory).ok());
        }
        // Processes may work in several places: the one with the least free space counts.
        let directory = |pid: &u32| self.root.join(format!("proc/{pid}/cwd"));
        let work = self.pids.iter().filter_map(|pid| statvfs(&directory(pid)).ok()).min_by_key(free);
        put(readings, "work", work);
        if readings.readings.len() > before {
            return Ok(());
        }
        let message = format!("the free space of {} cannot be read", self.store.display());
        Err(Problem { reason: "no_statvfs", message })
    }
}

/// Returns the bytes that a user without privileges may still use.
#[allow(clippy::unnecessary_cast, reason = "the size of C's types depends on the machine")]
fn free(place: &Statvfs) -> u64 {
    (place.blocks_available() as u64).saturating_mul(place.fragment_size() as u64)
}

#[allow(clippy::unnecessary_cast, reason = "the size of C's types depends on the machine")]
fn put(readings: &mut Readings, place: &str, found: Option<Statvfs>) {
    let Some(found) = found else { return };
    let total = (found.blocks() as u64).saturating_mul(found.fragment_size() as u64);
    readings.push(&DISK_FREE, &[place], free(&found) as f64);
    readings.push(&DISK_TOTAL, &[place], total as f64);
    // File systems without a fixed number of files report 0.
    let files = (found.files() > 0).then(|| found.files_available() as f64);
    readings.push_if(&DISK_FREE_FILES, &[place], files);
}
