//! InfluxDB, and servers that accept its line protocol.

pub mod line_protocol;
pub(crate) mod options;
mod transport;

use soundpost_core::Error;
use soundpost_store::RecordKinds;

use crate::influxdb::options::InfluxDb;
use crate::influxdb::transport::InfluxTransport;
use crate::kind::{SinkKind, TargetForm};
use crate::options::common::Common;
use crate::options::declare::OptionSpec;
use crate::transport::Transport;

impl SinkKind for InfluxDb {
    const NAME: &'static str = "influxdb";
    const CLASS: &'static str = "InfluxDB";
    const ABOUT: &'static str =
        "Writes calls and vitals to InfluxDB, or to a server that accepts its line protocol.";
    const TARGET: TargetForm = TargetForm::Url(&[("http", 80), ("https", 443)]);
    const RECORDS: RecordKinds = RecordKinds::POINTS;
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
        Ok(Box::new(InfluxTransport::new(self)?))
    }
}
