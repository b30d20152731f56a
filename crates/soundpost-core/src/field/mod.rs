//! Fields of calls and log events: their values, and their encoding in the event ring.

mod value;
mod words;

pub use value::{FieldRef, FieldValue};
pub(crate) use words::{Bytes, FIELDS, NAME, WORDS, cut, decode, encode, fitting, packed, split, words_of};
