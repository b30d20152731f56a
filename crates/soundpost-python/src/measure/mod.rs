//! The audio in a result or in a yielded item.

mod audio;
mod header;
mod measured;
mod result;
pub(crate) mod verdict;

pub(crate) use audio::Measure;
pub(crate) use measured::Measured;
pub(crate) use result::{Audio, Error, Skip};
pub(crate) use verdict::Verdict;
