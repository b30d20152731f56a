//! Sinks: what ships calls, log events and vitals to the systems that are there already.
//!
//! `docs/guide/sinks.md` says what each of them writes, and what at least once means. A [`Builder`](crate::Builder)
//! takes them; `SOUNDPOST_SINKS` names them for services that are not to be changed.

pub use soundpost_sinks::{Capture, Graylog, InfluxApi, InfluxDb, JsonLines, Loki, Sink, Trouble, Verdict};
