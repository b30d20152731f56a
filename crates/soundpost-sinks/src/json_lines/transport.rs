//! JSON lines, to a file or to standard output.

use std::io::{self, ErrorKind};
use std::time::Duration;

use soundpost_core::{clock, thread};

use crate::format::losses::Losses;
use crate::format::record::Event;
use crate::json_lines::file::{LineFile, Rotation};
use crate::json_lines::lines;
use crate::json_lines::options::JsonLines;
use crate::json_lines::shared::SharedLines;
use crate::transport::answer::{Answer, Verdict};
use crate::transport::{Batch, Delivering, Limits, Transport};

/// Default batch size, records.
const RECORDS: usize = 4096;

/// Maximum memory of a batch, bytes.
const BYTES: usize = 4 * 1024 * 1024;

/// Timeout for the reader of standard output.
const STDOUT_TIMEOUT: Duration = Duration::from_secs(1);

/// Writes lines to a file or to standard output.
pub(crate) struct Lines {
    to: To,
    limits: Limits,
}

enum To {
    File(LineFile),
    /// Standard output.
    Shared(SharedLines),
}

impl Lines {
    pub(crate) fn new(settings: &JsonLines) -> Self {
        let rotation =
            Rotation { bytes: settings.rotate_bytes, age: settings.rotate_age, keep: settings.keep };
        let to = match &settings.path {
            Some(path) => To::File(LineFile::new(path.clone(), settings.mode, rotation)),
            None => To::Shared(SharedLines::default()),
        };
        Self { to, limits: Limits { records: settings.common.batch.unwrap_or(RECORDS), bytes: BYTES } }
    }

    fn write(&mut self, batch: Batch<'_>) -> Answer {
        let (lines, ends) = match thread::guarded(|| encoded(batch)) {
            Ok(encoded) => encoded,
            Err(panic) => {
                return Answer::none(Verdict::unwritable(&panic));
            }
        };
        let written = match &mut self.to {
            // Acknowledged lines are durable.
            To::File(file) => file
                .append(&lines, clock::unix_nanos())
                .and_then(|()| file.sync())
                .map(|()| lines.len())
                .map_err(|error| verdict(&error)),
            To::Shared(shared) => shared
                .write(io::stdout(), &lines, STDOUT_TIMEOUT)
                .map_err(|error| Verdict::later(format!("standard output: {error}"))),
        };
        match written {
            Ok(written) => {
                let settled = ends.partition_point(|(end, _)| *end <= written);
                let mut losses = Losses::default();
                ends[..settled].iter().for_each(|(_, lost)| losses += *lost);
                let rest = match settled == ends.len() {
                    true => Verdict::Taken,
                    false => Verdict::later("standard output: nobody reads it"),
                };
                Answer { settled, losses, ..Answer::none(rest) }
            }
            Err(verdict) => Answer::none(verdict),
        }
    }
}

impl Transport for Lines {
    fn limits(&self) -> Limits {
        self.limits
    }

    fn deliver<'a>(&'a mut self, batch: Batch<'a>) -> Delivering<'a> {
        Box::pin(async move { self.write(batch) })
    }
}

/// Encodes a batch. Returns the lines, and the end and losses of each record.
fn encoded(batch: Batch<'_>) -> (Vec<u8>, Vec<(usize, Losses)>) {
    let mut lines = Vec::new();
    let mut ends = Vec::with_capacity(batch.records.len());
    for record in batch.records {
        let event = Event::from_record(record);
        let losses =
            event.map_or_else(Losses::default, |event| lines::push(&mut lines, &batch.origin, &event));
        ends.push((lines.len(), losses));
    }
    (lines, ends)
}

/// Returns the verdict on an error of the file. Errors that only an operator can fix are misconfigurations.
fn verdict(error: &io::Error) -> Verdict {
    let permanent = [
        ErrorKind::NotFound,
        ErrorKind::PermissionDenied,
        ErrorKind::InvalidInput,
        ErrorKind::NotADirectory,
        ErrorKind::IsADirectory,
        ErrorKind::ReadOnlyFilesystem,
    ];
    let why = error.to_string();
    if permanent.contains(&error.kind()) { Verdict::Misconfigured(why) } else { Verdict::later(why) }
}

#[cfg(test)]
mod tests;
