//! Grafana Loki, and servers that accept its push API.

pub(crate) mod options;
pub mod push;
mod transport;

use soundpost_core::Error;
use soundpost_store::RecordKinds;

use crate::kind::{SinkKind, TargetForm};
use crate::loki::options::Loki;
use crate::loki::transport::LokiTransport;
use crate::options::common::Common;
use crate::options::declare::OptionSpec;
use crate::transport::Transport;

impl SinkKind for Loki {
    const NAME: &'static str = "loki";
    const CLASS: &'static str = "Loki";
    const ABOUT: &'static str = "Pushes log events, and each finished call as one, to Grafana Loki.";
    const TARGET: TargetForm = TargetForm::Url(&[("http", 80), ("https", 443)]);
    const RECORDS: RecordKinds = RecordKinds::LOGS;
    const OPTIONS: &'static [&'static [OptionSpec<Self>]] =
        &[Self::OWN, Self::TOKEN, Self::SERVER, Self::COMMON];

    fn at(place: &str) -> Result<Self, Error> {
        Self::new(place)
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn target(&self) -> String {
        self.server.address.to_string()
    }

    fn prepare(&mut self) -> Result<(), String> {
        self.check()?;
        self.server.prepare()
    }

    fn open(&self) -> Result<Box<dyn Transport>, String> {
        Ok(Box::new(LokiTransport::new(self)?))
    }
}
