//! The sinks of a service, which its processes write for the agent: a URL for each, without secrets.

use std::io;

use soundpost_core::{Error, ServiceDir};

use crate::kind::Sink;
use crate::kinds::from_url;

/// Name of the file. A line is a URL, and the option whose secret is in the service's code.
const FILE: &str = "sinks";

/// Sinks that a service's processes wrote.
pub struct SharedSinks {
    /// Contents of the file, by which changes are detected.
    text: String,
}

impl SharedSinks {
    /// Reads the sinks that the service wrote last.
    pub fn read(place: &ServiceDir) -> Self {
        Self { text: place.read(FILE).unwrap_or_default() }
    }

    /// Writes the sinks of this process. Returns those from before, if they differ.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(place: &ServiceDir, sinks: &[Sink]) -> io::Result<Option<Self>> {
        let before = Self::read(place);
        let after = Self { text: sinks.iter().filter_map(line).collect() };
        if before == after {
            return Ok(None);
        }
        place.write(FILE, &after.text).map(|()| Some(before))
    }

    /// Returns whether there is no sink.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Returns the sinks, and the errors of those that this build cannot read. Files and variables are read when a
    /// sink's transport is opened, also where they are missing at first.
    pub fn sinks(&self) -> (Vec<Sink>, Vec<Error>) {
        let (mut sinks, mut errors) = (Vec::new(), Vec::new());
        for line in self.text.lines() {
            let (url, secret) = line.split_once(' ').unwrap_or((line, ""));
            match from_url("a URL that the service wrote", url) {
                Ok(sink) => sinks.push(sink.shared(Some(secret).filter(|name| !name.is_empty()))),
                Err(error) => errors.push(error),
            }
        }
        (sinks, errors)
    }
}

impl PartialEq for SharedSinks {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

fn line(sink: &Sink) -> Option<String> {
    let secret = sink.common().literal_secret().map(|name| format!(" {name}"));
    Some(format!("{}{}\n", sink.url()?, secret.unwrap_or_default()))
}
