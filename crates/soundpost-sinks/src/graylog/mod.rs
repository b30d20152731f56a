//! Graylog, and servers that accept GELF over HTTP, TCP or UDP.

pub mod gelf;
mod http;
pub(crate) mod options;
mod stopped;
mod tcp;
mod udp;

use soundpost_core::Error;
use soundpost_store::RecordKinds;

use crate::graylog::http::GelfHttp;
use crate::graylog::options::{GelfOver, Graylog, PORT};
use crate::graylog::tcp::GelfTcp;
use crate::graylog::udp::GelfUdp;
use crate::kind::{SinkKind, TargetForm};
use crate::options::common::Common;
use crate::options::declare::OptionSpec;
use crate::transport::Transport;

impl SinkKind for Graylog {
    const NAME: &'static str = "graylog";
    const CLASS: &'static str = "Graylog";
    const ABOUT: &'static str = "Sends log events, and each finished call as one, to Graylog, in GELF.";
    const TARGET: TargetForm =
        TargetForm::Url(&[("tcp", PORT), ("tls", PORT), ("udp", PORT), ("http", 80), ("https", 443)]);
    const RECORDS: RecordKinds = RecordKinds::LOGS;
    const OPTIONS: &'static [&'static [OptionSpec<Self>]] = &[Self::OWN, Self::SERVER, Self::COMMON];

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
        Ok(match self.over() {
            GelfOver::Http => Box::new(GelfHttp::new(self)?),
            GelfOver::Tcp => Box::new(GelfTcp::new(self)?),
            GelfOver::Udp => Box::new(GelfUdp::new(self)),
        })
    }
}
