//! JSON lines, to a file or to standard output.

use std::io::{self, ErrorKind};
use std::time::Duration;

use soundpost_core::clock;

use crate::format::losses::Losses;
use crate::format::record::Event;
use crate::json_lines::file::{LineFile, Rotation};
use crate::json_lines::shared::SharedLines;
use crate::json_lines::{JsonLines, lines};
use crate::transport::answer::{Answer, Verdict};
use crate::transport::{Batch, Delivering, Limits, Transport};

/// Default maximum of a batch.
const LIMITS: Limits = Limits { records: 4096, bytes: 4 * 1024 * 1024 };
/// Timeout for the reader of standard output.
const STDOUT_TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) struct Lines {
    to: To,
    limits: Limits,
}

enum To {
    File(LineFile),
    Shared(SharedLines),
}

impl Lines {
    pub(crate) fn new(settings: &JsonLines) -> Self {
        let JsonLines { common, path, rotate_bytes, rotate_age, keep, mode } = settings;
        let rotation = Rotation { bytes: *rotate_bytes, age: *rotate_age, keep: *keep };
        let to = match path {
            Some(path) => To::File(LineFile::new(path.clone(), *mode, rotation)),
            None => To::Shared(SharedLines::default()),
        };
        Self { to, limits: LIMITS.with_records(common.batch) }
    }

    fn write(&mut self, batch: Batch<'_>) -> Result<Answer, Verdict> {
        let (lines, ends) = Verdict::of_panic(|| encoded(batch))?;
        let written = match &mut self.to {
            // Acknowledged lines are durable.
            To::File(file) => {
                let appended = file.append(&lines, clock::unix_nanos()).and_then(|()| file.sync());
                appended.map(|()| lines.len()).map_err(|error| verdict(&error))?
            }
            To::Shared(shared) => shared
                .write(io::stdout(), &lines, STDOUT_TIMEOUT)
                .map_err(|error| Verdict::later(format!("standard output: {error}")))?,
        };
        let settled = ends.partition_point(|(end, _)| *end <= written);
        let mut losses = Losses::default();
        ends[..settled].iter().for_each(|(_, lost)| losses += *lost);
        let rest = match settled == ends.len() {
            true => Verdict::Taken,
            false => Verdict::later("standard output: nobody reads it"),
        };
        Ok(Answer { settled, losses, ..Answer::none(rest) })
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
