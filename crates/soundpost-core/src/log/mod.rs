//! Log events: structured records, tied to the call that they belong to.

mod builder;
mod event;
mod fields;
mod level;
mod record;
mod traceback;

pub use builder::EventBuilder;
pub use event::{Log, LogEvent};
pub use fields::LogFields;
pub use level::Level;
