//! Output for people and for programs.

mod paint;
mod table;
mod text;
mod time;
mod units;

use std::fmt::Display;
use std::io::Write;

pub(crate) use paint::{Paint, Terminal};
pub(crate) use table::{Table, Widths};
pub(crate) use text::{display_width, plain, truncate, visible_json};
pub(crate) use time::{format_local, format_local_millis, format_rfc3339, parse_moment, unix_nanos_now};
pub(crate) use units::{format_bytes, format_count, format_percent, format_setting, format_span};

use crate::error::CommandError;

/// Output of a command, and the terminal it goes to.
pub(crate) struct Output<'a> {
    pub(crate) writer: &'a mut dyn Write,
    pub(crate) terminal: Terminal,
}

impl Output<'_> {
    pub(crate) fn line(&mut self, line: impl Display) -> Result<(), CommandError> {
        Ok(writeln!(self.writer, "{line}")?)
    }

    pub(crate) fn lines(&mut self, lines: impl IntoIterator<Item = String>) -> Result<(), CommandError> {
        lines.into_iter().try_for_each(|line| self.line(line))
    }

    pub(crate) fn json(&mut self, object: &impl serde::Serialize) -> Result<(), CommandError> {
        let json = serde_json::to_string(object).map_err(|error| CommandError::failed("JSON", &error))?;
        self.line(visible_json(&json))
    }
}
