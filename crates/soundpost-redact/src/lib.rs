//! Redaction of log text: pure functions that replace secrets, personal numbers and text to synthesise by marks.
//!
//! A [`Redactor`] scans a text once and returns it with a mark in the place of each match. The mark names the
//! [`Rule`] and holds nothing of the matched text. Names decide about their values ([`Rule::Key`], [`Rule::Text`]);
//! the other rules recognise values by their form.
#![forbid(unsafe_code)]

mod address;
mod announced;
#[cfg(feature = "announced-text")]
mod announced_text;
#[cfg(not(feature = "announced-text"))]
#[path = "no_announced_text.rs"]
mod announced_text;
mod call;
mod command;
mod cursor;
mod custom;
mod element;
mod harmless;
mod iban;
mod key_value;
mod known_text;
mod list;
mod mention;
mod name;
mod number;
mod one_time_code;
mod option;
mod pair_name;
mod pattern;
mod phone;
mod redactor;
mod rule;
mod scan;
mod search;
mod strength;
mod table;
mod text_value;
mod token;
mod value;

pub use custom::InvalidPattern;
pub use known_text::KnownTexts;
pub use name::is_text_name;
pub use redactor::{Redacted, Redactor};
pub use rule::{Hits, Rule};
