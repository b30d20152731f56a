//! What a sink is told: typed, from a URL, or by names and texts as a binding has them.

mod address;
mod capture;
mod common;
mod graylog;
mod influxdb;
mod json_lines;
mod list;
mod loki;
mod methods;
mod secret;

use soundpost_core::Error;

pub(crate) use address::Address;
pub use capture::Capture;
pub(crate) use common::{Common, Login, Server};
pub(crate) use graylog::GelfOver;
pub use graylog::Graylog;
pub use influxdb::{InfluxApi, InfluxDb};
pub use json_lines::JsonLines;
pub use list::Sink;
pub(crate) use list::{Kind, prepared};
pub use loki::Loki;
pub(crate) use loki::PUSH as LOKI_PUSH;
pub(crate) use secret::Source;

use address::Parts;

/// Options by name, as the query of a URL and a binding give them.
trait Options {
    /// Takes an option; false if there is none of this name.
    fn option(&mut self, name: &str, value: &str) -> Result<bool, String>;

    /// Takes options from where a secret must not stand.
    fn take_query(&mut self, sink: &str, query: &[(String, String)]) -> Result<(), Error> {
        for (name, value) in query {
            if matches!(&**name, "password" | "token" | "p" | "u" | "apikey" | "api_key") {
                let say = "use token_file, token_env, password_file or password_env";
                return Err(wrong(sink, &format!("the URL has a secret in its query ({name}); {say}")));
            }
            self.take(sink, name, value)?;
        }
        Ok(())
    }

    /// Takes an option, or says that there is none of this name.
    fn take(&mut self, sink: &str, name: &str, value: &str) -> Result<(), Error> {
        match self.option(name, value) {
            Ok(true) => Ok(()),
            Ok(false) => Err(wrong(sink, &format!("{name:?} is no option of it"))),
            Err(error) => Err(wrong(sink, &error)),
        }
    }
}

/// Reads the URL of a sink.
fn begin(kind: &str, url: &str, schemes: &[(&str, u16)]) -> Result<Parts, Error> {
    Address::parse(url, kind, schemes).map_err(|error| wrong(kind, &error))
}

/// What is wrong with a sink.
fn wrong(sink: &str, error: &str) -> Error {
    Error::config(format!("sink {sink}: {error}"))
}
