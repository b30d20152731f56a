//! Options of sinks: how they are declared, the groups that several kinds share, and the forms of their values.

pub(crate) mod address;
pub(crate) mod certificates;
pub(crate) mod common;
pub(crate) mod declare;
pub(crate) mod groups;
pub(crate) mod secret;
pub(crate) mod value;
