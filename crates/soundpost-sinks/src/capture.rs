//! A sink that keeps its records in memory, for tests.

use std::fmt;
use std::sync::{Arc, Mutex};

use soundpost_core::Error;
use soundpost_core::thread::lock;
use soundpost_store::RecordKinds;

use crate::format::losses::Losses;
use crate::format::record::Event;
use crate::json_lines::lines;
use crate::kind::{SinkKind, TargetForm};
use crate::options::common::{Common, MAX_RECORDS};
use crate::options::declare::OptionSpec;
use crate::options::groups::common_options;
use crate::transport::answer::{Answer, Verdict};
use crate::transport::{Batch, Delivering, Limits, Transport};

const LIMITS: Limits = Limits { records: 1000, bytes: 1 << 20 };

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
    /// Returns a sink that accepts every record.
    pub fn new() -> Self {
        Self { common: Common::new(Self::NAME), lines: Arc::default(), judge: None }
    }

    /// Sets a function that decides each batch, on the sink's thread. A batch is kept if the verdict is
    /// [`Verdict::Taken`], else it is retried as the verdict asks. A panic in it is a panic of the sink's thread.
    pub fn judged_by(mut self, judge: impl Fn(&[String]) -> Verdict + Send + Sync + 'static) -> Self {
        self.judge = Some(Arc::new(judge));
        self
    }

    /// Returns the lines that were accepted so far, in their order.
    pub fn lines(&self) -> Vec<String> {
        lock(&self.lines).clone()
    }
}

common_options!(Capture, name: "capture", batch: "1,000");

impl SinkKind for Capture {
    const NAME: &'static str = "capture";
    const CLASS: &'static str = "Capture";
    const ABOUT: &'static str = "Keeps log events, and each finished call as one, in memory, for tests.";
    const TARGET: TargetForm = TargetForm::Path;
    const RECORDS: RecordKinds = RecordKinds::LOGS;
    const OPTIONS: &'static [&'static [OptionSpec<Self>]] = &[Self::COMMON];

    fn at(_: &str) -> Result<Self, Error> {
        Ok(Self::new())
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn target(&self) -> String {
        "memory".into()
    }

    fn place(&self) -> Option<String> {
        None
    }

    fn prepare(&mut self) -> Result<(), String> {
        self.common.check(MAX_RECORDS)
    }

    fn open(&self) -> Result<Box<dyn Transport>, String> {
        Ok(Box::new(self.clone()))
    }
}

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
        LIMITS.with_records(self.common.batch)
    }

    fn deliver<'a>(&'a mut self, batch: Batch<'a>) -> Delivering<'a> {
        Box::pin(async move { self.take(batch) })
    }
}

impl Capture {
    fn take(&self, batch: Batch<'_>) -> Result<Answer, Verdict> {
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
                Ok(Answer::taken(batch.records.len(), losses))
            }
            verdict => Err(verdict),
        }
    }
}
