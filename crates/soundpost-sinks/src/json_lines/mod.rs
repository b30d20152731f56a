//! Lines of JSON, to a file or to standard output.

mod file;
pub mod lines;
pub(crate) mod options;
mod shared;
mod transport;

use soundpost_core::Error;
use soundpost_store::RecordKinds;

use crate::json_lines::options::JsonLines;
use crate::json_lines::transport::Lines;
use crate::kind::{SinkKind, TargetForm};
use crate::options::common::Common;
use crate::options::declare::OptionSpec;
use crate::options::secret::make_absolute;
use crate::transport::Transport;

impl SinkKind for JsonLines {
    const NAME: &'static str = "jsonl";
    const CLASS: &'static str = "JsonLines";
    const ABOUT: &'static str = "Writes log events, and each finished call as one, as lines of JSON.";
    const TARGET: TargetForm = TargetForm::Path;
    const RECORDS: RecordKinds = RecordKinds::LOGS;
    const OPTIONS: &'static [&'static [OptionSpec<Self>]] = &[Self::OWN, Self::COMMON];

    fn at(place: &str) -> Result<Self, Error> {
        Self::new(place)
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn target(&self) -> String {
        self.path.as_ref().map_or_else(|| "standard output".into(), |path| path.display().to_string())
    }

    fn prepare(&mut self) -> Result<(), String> {
        self.path.iter_mut().for_each(make_absolute);
        self.check()
    }

    fn open(&self) -> Result<Box<dyn Transport>, String> {
        Ok(Box::new(Lines::new(self)))
    }
}
