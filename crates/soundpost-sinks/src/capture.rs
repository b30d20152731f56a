//! A sink that keeps what it is given: for tests, of services as well as our own.

use std::fmt;
use std::sync::{Arc, Mutex};

use soundpost_core::thread::lock;

use crate::delivery::answer::{Answer, Verdict};
use crate::delivery::transport::{Batch, Delivering, Limits, Transport};
use crate::format::losses::Losses;
use crate::format::record::Event;
use crate::json_lines::lines;
use crate::options::common::{Common, RECORDS};
use crate::options::methods::common_methods;

const KIND: &str = "capture";
const LIMITS: Limits = Limits { records: 1000, bytes: 1 << 20 };

/// What becomes of a batch of lines.
pub(crate) type Judge = Arc<dyn Fn(&[String]) -> Verdict + Send + Sync>;

/// Keeps log events, and each finished call as one, as the lines of JSON that [`JsonLines`](crate::JsonLines) writes.
/// Clones keep together.
#[derive(Clone)]
#[must_use = "a sink ships nothing before a builder has it"]
pub struct Capture {
    pub(crate) common: Common,
    pub(crate) lines: Arc<Mutex<Vec<String>>>,
    pub(crate) judge: Option<Judge>,
}

impl Capture {
    /// A sink that takes everything.
    pub fn new() -> Self {
        Self { common: Common::new(KIND), lines: Arc::default(), judge: None }
    }

    /// Has each batch judged, on the sink's thread: what the verdict is not [`Verdict::Taken`] for is not kept, and tried
    /// again as the verdict asks for. A panic in it is one of the sink's thread.
    pub fn judged_by(mut self, judge: impl Fn(&[String]) -> Verdict + Send + Sync + 'static) -> Self {
        self.judge = Some(Arc::new(judge));
        self
    }

    /// The lines that were taken so far, in their order.
    pub fn lines(&self) -> Vec<String> {
        lock(&self.lines).clone()
    }

    pub(crate) fn prepare(&mut self) -> Result<(), String> {
        self.common.check(RECORDS)
    }
}

common_methods!(Capture, name: "capture", batch: "1,000");

impl Default for Capture {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture")
            .field("common", &self.common)
            .field("lines", &lock(&self.lines).len())
            .finish()
    }
}

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
        for event in batch.records.iter().filter_map(Event::from_record) {
            let mut line = Vec::new();
            losses += lines::push(&mut line, &batch.origin, &event);
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
