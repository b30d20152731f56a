//! Tests of the store through its public API.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod calls;
mod damage;
mod erase;
mod events;
mod full;
mod guide;
mod migration;
mod model;
mod origins;
mod pages;
mod retention;
mod rows;
mod shared_rows;
mod support;
mod vitals;
