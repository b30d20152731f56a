//! Erasing the records of a request or a person from all files of a service.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use soundpost_sinks::kinds::{erase_lines, written_files};
use soundpost_store::{Erased, FILE, Reader, Selection, Store, StoreError, erase_from_postmortems};

use super::Service;

/// Time in which a running reporter stores the records that ended before.
const DRAIN_TIME: Duration = Duration::from_millis(500);
/// Maximum number of searches for records that are stored meanwhile.
const MAX_SEARCHES: usize = 10;

/// Erased records of a service, or those to erase.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ErasedRecords {
    /// Name of the service.
    pub service: String,
    /// Whether the records were only counted.
    pub dry_run: bool,
    /// Finished calls in the store.
    pub calls: u64,
    /// Log events in the store.
    pub log_events: u64,
    /// Calls in postmortems.
    pub postmortem_calls: u64,
    /// Lines in files of JSON lines.
    pub lines: u64,
    /// Files of JSON lines that were searched, without rotated ones.
    pub files: BTreeSet<PathBuf>,
    /// Records that each sink may have shipped before.
    pub shipped: BTreeMap<String, u64>,
    /// Damaged records of the store, which cannot be searched.
    pub damaged: u64,
    /// Damaged stores that were set aside, which cannot be searched.
    pub set_aside: Vec<PathBuf>,
    /// Running processes, whose memory may have request ids and labels.
    pub pids: Vec<u32>,
    /// Files that could not be searched or replaced, with the reason.
    pub errors: Vec<String>,
}

impl Service {
    /// Erases the selected records from the store, the postmortems, the files of JSON lines that sinks have written, and
    /// `lines`, further such files. With `dry_run`, only counts them. While the service runs, this takes seconds.
    ///
    /// # Errors
    /// When the store cannot be read or written; errors of other files are in the result.
    pub fn erase(
        &mut self,
        mut selection: Selection,
        lines: &[PathBuf],
        dry_run: bool,
    ) -> Result<ErasedRecords, StoreError> {
        self.snapshot();
        let mut erased = ErasedRecords {
            service: self.name().to_owned(),
            dry_run,
            pids: self.pids(),
            set_aside: set_aside(self.directory()),
            files: written_files(self.directory()),
            ..ErasedRecords::default()
        };
        erased.files.extend(lines.iter().cloned());
        erase_from_store(self, &mut selection, &mut erased)?;
        match erase_from_postmortems(self.directory(), dry_run, |object| selection.selects_object(object)) {
            Ok(calls) => erased.postmortem_calls = calls,
            Err(error) => erased.errors.push(format!("postmortems: {error}")),
        }
        for file in &erased.files {
            match erase_lines(file, dry_run, &|line| selection.selects_line(line)) {
                Ok(lines) => erased.lines += lines,
                Err(error) => erased.errors.push(error.to_string()),
            }
        }
        Ok(erased)
    }
}

/// Erases from the store, again while a reporter stores further records. Adds the request ids of the records.
fn erase_from_store(
    service: &Service,
    selection: &mut Selection,
    erased: &mut ErasedRecords,
) -> Result<(), StoreError> {
    // A damaged store is left to its reporter, so the store must be readable.
    if Reader::open(service.directory())?.is_none() {
        return Ok(());
    }
    let is_reported = service.reporter().is_some();
    let (mut store, _) = Store::open(service.directory(), service.store_limits().unwrap_or_default())?;
    for _ in 0..MAX_SEARCHES {
        if is_reported {
            std::thread::sleep(DRAIN_TIME);
        }
        let Erased { calls, events, request_ids, damaged, shipped } =
            store.erase(selection, erased.dry_run)?;
        erased.calls += calls;
        erased.log_events += events;
        erased.damaged = damaged;
        selection.request_ids = request_ids;
        for (sink, records) in shipped {
            *erased.shipped.entry(sink).or_default() += records;
        }
        if erased.dry_run || !is_reported || calls + events == 0 {
            break;
        }
    }
    Ok(())
}

/// Returns the files that the writer of the store set aside.
fn set_aside(directory: &Path) -> Vec<PathBuf> {
    let entries = directory.read_dir().into_iter().flatten().flatten();
    let start = format!("{FILE}.damaged-");
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&start));
    named.map(|entry| entry.path()).collect()
}
