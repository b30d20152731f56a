//! How things are written for a person and for a program.

mod csv;
mod duration;
mod paint;
mod quantity;
mod table;
mod text;
mod time;

pub(crate) use csv::csv_line;
pub(crate) use duration::{setting, span};
pub(crate) use paint::{Paint, Terminal};
pub(crate) use quantity::{bytes, count, percent};
pub(crate) use soundpost::settings::parse_duration;
pub(crate) use table::{Align, Table};
pub(crate) use text::{fitted, plain, width};
pub(crate) use time::{local, now, parse_moment, rfc3339};
