//! Log events: one structured record each, tied to the call it belongs to.

mod draft;
mod entry;
mod event;
mod fields;
mod level;
mod trace;

pub use draft::Draft;
pub(crate) use entry::LogEntry;
pub use event::{Log, LogEvent};
pub use fields::LogFields;
pub use level::Level;
