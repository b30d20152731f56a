//! A sink that keeps what it is given: for tests, of services as well as our own.

use std::fmt;
use std::sync::{Arc, Mutex};

use soundpost_core::thread::lock;

use super::common::{Common, RECORDS};
use super::methods::common_methods;
use crate::sink::answer::Verdict;

const KIND: &str = "capture";

/// What becomes of a batch of lines.
pub(crate) type Judge = Arc<dyn Fn(&[String]) -> Verdict + Send + Sync>;

/// Keeps log events, and each finished call as one, as the lines of JSON that [`JsonLines`](super::JsonLines) writes.
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

    pub(super) fn prepare(&mut self) -> Result<(), String> {
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
