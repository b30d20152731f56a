//! Exposition formats: pure functions from a [`Snapshot`] to the text that a scrape returns. They have no clock, no
//! lock and no socket. One format is one file.

mod appendix;
mod escape;
mod histogram;
mod number;
mod openmetrics;
mod size;
mod text;

use soundpost_core::snapshot::Snapshot;

pub use openmetrics::openmetrics;
pub use text::{name_in_text, text};

/// Renders a snapshot: in text 0.0.4 with the appendix if there is one, otherwise in the requested format.
pub(crate) fn render(
    snapshot: &Snapshot,
    appendix: Option<&(dyn Fn() -> String + Send + Sync)>,
    as_openmetrics: bool,
) -> String {
    if as_openmetrics && appendix.is_none() {
        return openmetrics(snapshot);
    }
    let mut out = text(snapshot);
    if let Some(appendix) = appendix {
        appendix::append(&mut out, snapshot, &appendix());
    }
    out
}

#[cfg(test)]
mod tests;
