//! Which transport a sink's settings ask for.

use crate::delivery::transport::Transport;
use crate::graylog::http::GelfHttp;
use crate::graylog::options::GelfOver;
use crate::graylog::tcp::GelfTcp;
use crate::graylog::udp::GelfUdp;
use crate::influxdb::transport::InfluxTransport;
use crate::json_lines::transport::Lines;
use crate::loki::transport::LokiTransport;
use crate::options::list::{Kind, Sink};

/// Makes ready what a sink ships by, on the thread that is to ship; no connection is made yet.
///
/// # Errors
/// When the settings cannot be used; the text is for a person.
pub fn open(sink: &Sink) -> Result<Box<dyn Transport>, String> {
    match &sink.0 {
        Kind::Capture(capture) => Ok(Box::new(capture.clone())),
        Kind::InfluxDb(influxdb) => Ok(Box::new(InfluxTransport::new(influxdb)?)),
        Kind::Loki(loki) => Ok(Box::new(LokiTransport::new(loki)?)),
        Kind::Graylog(graylog) => match graylog.over() {
            GelfOver::Http => Ok(Box::new(GelfHttp::new(graylog)?)),
            GelfOver::Tcp => Ok(Box::new(GelfTcp::new(graylog)?)),
            GelfOver::Udp => Ok(Box::new(GelfUdp::new(graylog))),
        },
        Kind::JsonLines(lines) => Ok(Box::new(Lines::new(lines))),
    }
}
