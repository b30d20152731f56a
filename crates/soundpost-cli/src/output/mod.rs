//! Output for people and for programs.

mod csv;
mod duration;
mod paint;
mod quantity;
mod table;
mod text;
mod time;

use std::fmt::Display;
use std::io::Write;

pub(crate) use csv::csv_line;
pub(crate) use duration::{format_setting, format_span};
pub(crate) use paint::{Paint, Terminal};
pub(crate) use quantity::{format_bytes, format_count, format_percent};
pub(crate) use table::{Align, Table};
pub(crate) use text::{display_width, plain, truncate};
pub(crate) use time::{format_local, format_rfc3339, parse_moment, unix_nanos_now};

use crate::error::CommandError;

/// Output of a command, and the terminal it goes to.
pub(crate) struct Output<'a> {
    pub(crate) writer: &'a mut dyn Write,
    pub(crate) terminal: Terminal,
}

impl Output<'_> {
    /// Writes a line.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub(crate) fn line(&mut self, line: impl Display) -> Result<(), CommandError> {
        Ok(writeln!(self.writer, "{line}")?)
    }

    /// Writes lines.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub(crate) fn lines(&mut self, lines: impl IntoIterator<Item = String>) -> Result<(), CommandError> {
        lines.into_iter().try_for_each(|line| self.line(line))
    }

    /// Writes an object as a line of JSON.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub(crate) fn json(&mut self, object: &impl serde::Serialize) -> Result<(), CommandError> {
        self.line(serde_json::to_string(object).map_err(|error| CommandError::failed("JSON", &error))?)
    }
}
