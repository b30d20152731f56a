//! `soundpost erase`: removes the records of a request or a person.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use soundpost::read::Service;
use soundpost::read::store::{Erased, FILE, Reader, Selection, Store, StoreError, erase_from_postmortems};
use soundpost::sink::{erase_lines, written_files};

use crate::arguments::Erase;
use crate::error::CommandError;
use crate::output::{Output, format_count, plain};
use crate::service::ServiceArgs;

/// Time in which a running reporter stores the records that ended before.
const DRAIN_TIME: Duration = Duration::from_millis(500);
/// Maximum number of searches for records that are stored meanwhile.
const MAX_SEARCHES: usize = 10;

/// Erased records, as a line of JSON.
#[derive(Default, Serialize)]
struct Report {
    service: String,
    dry_run: bool,
    calls: u64,
    log_events: u64,
    /// Calls in postmortems.
    postmortem_calls: u64,
    /// Lines in files of JSON lines.
    lines: u64,
    files: BTreeSet<PathBuf>,
    /// Records that each sink may have shipped before.
    shipped: BTreeMap<String, u64>,
    /// Damaged records of the store, which cannot be searched.
    damaged: u64,
    /// Damaged stores that were set aside, which cannot be searched.
    set_aside: Vec<PathBuf>,
    /// Running processes, whose memory may have request ids and labels.
    pids: Vec<u32>,
    errors: Vec<String>,
}

/// Erases the selected records, and prints how many they were.
pub(super) fn erase(
    service: &ServiceArgs,
    command: &Erase,
    out: &mut Output<'_>,
) -> Result<i32, CommandError> {
    let mut service = service.open()?;
    service.snapshot();
    let mut report = Report {
        service: service.name().to_owned(),
        dry_run: command.dry_run,
        pids: service.pids(),
        set_aside: set_aside(service.directory()),
        files: written_files(service.directory()),
        ..Report::default()
    };
    report.files.extend(command.lines.iter().cloned());
    let mut selection = Selection {
        request_ids: command.request_id.iter().cloned().collect(),
        values: command.values.clone(),
    };
    erase_from_store(&service, &mut selection, &mut report)?;
    let selects = |object: &_| selection.selects_object(object);
    match erase_from_postmortems(service.directory(), command.dry_run, selects) {
        Ok(calls) => report.postmortem_calls = calls,
        Err(error) => report.errors.push(format!("postmortems: {error}")),
    }
    for file in &report.files {
        let selects =
            |line: &[u8]| serde_json::from_slice(line).is_ok_and(|line| selection.selects_object(&line));
        match erase_lines(file, command.dry_run, &selects) {
            Ok(lines) => report.lines += lines,
            Err(error) => report.errors.push(error.to_string()),
        }
    }
    if command.json {
        out.json(&report)?;
    } else {
        out.lines(report.lines())?;
    }
    Ok(i32::from(!report.errors.is_empty()))
}

/// Erases from the store, again while a reporter stores further records. Adds the request ids of the records.
fn erase_from_store(
    service: &Service,
    selection: &mut Selection,
    report: &mut Report,
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
            store.erase(selection, report.dry_run)?;
        report.calls += calls;
        report.log_events += events;
        report.damaged = damaged;
        selection.request_ids = request_ids;
        for (sink, records) in shipped {
            *report.shipped.entry(sink).or_default() += records;
        }
        if report.dry_run || !is_reported || calls + events == 0 {
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

impl Report {
    fn lines(&self) -> Vec<String> {
        let done = if self.dry_run { "to erase" } else { "erased" };
        let mut lines = vec![format!(
            "{} calls and {} log events {done}; {} calls in postmortems, {} lines in {} files",
            format_count(self.calls),
            format_count(self.log_events),
            format_count(self.postmortem_calls),
            format_count(self.lines),
            self.files.len(),
        )];
        for (sink, records) in self.shipped.iter().filter(|(_, records)| **records > 0) {
            let (sink, records) = (plain(sink), format_count(*records));
            lines.push(format!(
                "sink {sink} has shipped up to {records} of them; erase them at its receiver as well"
            ));
        }
        if self.damaged > 0 {
            lines.push(format!("{} damaged records cannot be searched", format_count(self.damaged)));
        }
        for file in &self.set_aside {
            lines.push(format!(
                "{} cannot be searched; remove it if it may have such records",
                plain(&file.display().to_string())
            ));
        }
        if !self.pids.is_empty() {
            let pids = self.pids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
            lines.push(format!(
                "request ids and labels stay in the memory of running processes ({pids}) until it is used again or they end"
            ));
        }
        lines.extend(self.errors.iter().map(|error| format!("not erased: {}", plain(error))));
        lines
    }
}
