//! The delivery of records by each sink's own thread: at least once, in order, with retries.

pub(crate) mod ack_queue;
mod backoff;
pub(crate) mod bisect;
mod breaker;
mod feed;
pub(crate) mod files;
mod health;
pub(crate) mod origin;
pub(crate) mod status;
mod throttle;
pub(crate) mod worker;
pub(crate) mod workers;
