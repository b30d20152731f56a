//! An event whose value logs while its text is made. Alone in its process: only a subscriber that is there for all
//! threads is told of an event within an event.
#![allow(clippy::expect_used)]

mod common;

use std::fmt;

use common::*;
use soundpost_core::LogLayer;
use soundpost_core::snapshot::{RingEvent, RingReader};
use tracing_subscriber::prelude::*;

/// Logs whenever its text is made.
struct Chatty(u32);

impl fmt::Debug for Chatty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        tracing::info!(next = ?Chatty(self.0 + 1), "nested {}", self.0);
        write!(f, "chatty")
    }
}

#[test]
fn a_value_that_logs_while_its_text_is_made_ends() {
    let home = Home::new();
    let registry = home.registry();
    let subscriber = tracing_subscriber::registry().with(LogLayer::new(registry.clone()));
    tracing::subscriber::set_global_default(subscriber).expect("the only one");
    tracing::info!(value = ?Chatty(0), "outermost");
    let mut drain = RingReader::new(home.place("svc"), registry.clone());
    drain.attach(|_| Ok::<_, ()>(None)).expect("nothing is asked");
    let message = |record: &RingEvent| match record {
        RingEvent::Log(event) => event.message.clone(),
        RingEvent::Call(_) => String::new(),
    };
    let drained = drain.read(usize::MAX, |_| true);
    let messages: Vec<_> = drained.records.iter().map(message).collect();
    assert_eq!(messages, ["nested 2", "nested 1", "nested 0", "outermost"]);
    assert_eq!(errors(&home.snapshot(&registry), "log"), 1.0);
}
