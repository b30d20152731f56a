//! The audio in a result or in a yielded item.

mod audio;
mod container;
mod header;
mod measured;
mod result;
mod samples;
mod source;
mod text;
pub(crate) mod verdict;

pub(crate) use audio::Measure;
pub(crate) use measured::Measured;
pub(crate) use result::{Audio, Error, Skip, Video};
pub(crate) use source::Pass;
pub(crate) use verdict::Verdict;
