//! Which transport a sink's settings ask for.

use super::settings::{GelfOver, Kind, Sink};
use super::transport::Transport;

/// Opens nothing yet but makes ready what a sink ships by; on the thread that is to ship.
///
/// # Errors
/// When there is no such transport; the text is for a person.
pub(crate) fn open(sink: &Sink) -> Result<Box<dyn Transport>, String> {
    let missing = |what: &str| Err(format!("{what} cannot be shipped to by this version"));
    match &sink.0 {
        Kind::InfluxDb(_) => missing("InfluxDB"),
        Kind::Loki(_) => missing("Loki"),
        Kind::Graylog(graylog) => match graylog.over() {
            GelfOver::Http => missing("GELF over HTTP"),
            GelfOver::Tcp => missing("GELF over TCP"),
            GelfOver::Udp => missing("GELF over UDP"),
        },
        Kind::JsonLines(_) => missing("a file"),
    }
}
