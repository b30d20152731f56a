//! The store, through its public doors.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod calls;
mod damage;
mod events;
mod full;
mod guide;
mod model;
mod retention;
mod support;
mod vitals;
