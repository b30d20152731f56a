//! Lines of JSON, kept in memory.

use soundpost_core::thread::lock;

use super::answer::{Answer, Verdict};
use super::settings::Capture;
use super::transport::{Batch, Delivering, Limits, Transport};
use crate::encode::{Losses, jsonl};

const LIMITS: Limits = Limits { records: 1000, bytes: 1 << 20 };

impl Transport for Capture {
    fn limits(&self) -> Limits {
        Limits { records: self.common.batch.unwrap_or(LIMITS.records), ..LIMITS }
    }

    fn deliver<'a>(&'a mut self, batch: Batch<'a>) -> Delivering<'a> {
        Box::pin(async move { self.take(batch) })
    }
}

impl Capture {
    fn take(&self, batch: Batch<'_>) -> Answer {
        let (mut lines, mut losses) = (Vec::with_capacity(batch.records.len()), Losses::default());
        for event in batch.records.iter().filter_map(crate::store::Record::event) {
            let mut line = Vec::new();
            losses += jsonl::push(&mut line, &batch.origin, &event);
            line.pop();
            lines.push(String::from_utf8_lossy(&line).into_owned());
        }
        match self.judge.as_ref().map_or(Verdict::Taken, |judge| judge(&lines)) {
            Verdict::Taken => {
                lock(&self.lines).extend(lines);
                Answer::taken(batch.records.len(), losses)
            }
            verdict => Answer::none(verdict),
        }
    }
}
