//! What the server shows, as functions: it knows nothing of where it comes from.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use soundpost_core::snapshot::Snapshot;

/// Where responses come from. All are called on the server's thread and should take milliseconds; a
/// panic in one is answered with 500, reported to `fault`, and forgotten.
#[derive(Clone)]
pub struct Sources {
    /// What `/metrics` renders.
    pub snapshot: Arc<dyn Fn() -> Snapshot + Send + Sync>,
    /// Text 0.0.4 that another exporter renders, appended to ours. Families that are in ours already
    /// are left out. While there is an appendix every scrape is answered with text 0.0.4, whatever
    /// was asked for: the other exporter's counters and names need not satisfy OpenMetrics, and one
    /// fault would cost the whole scrape.
    pub appendix: Option<Arc<dyn Fn() -> String + Send + Sync>>,
    /// What `/healthz` says.
    pub health: Arc<dyn Fn() -> Health + Send + Sync>,
    /// Told how long a scrape took to render and compress.
    pub observe_scrape: Arc<dyn Fn(Duration) + Send + Sync>,
    /// Told of every fault of the server's own: `"render"`, `"health"` (a source panicked),
    /// `"accept"` (no connection could be taken: out of descriptors or memory).
    pub fault: Arc<dyn Fn(&'static str) + Send + Sync>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("appendix", &self.appendix.is_some()).finish_non_exhaustive()
    }
}

/// State of the service's instrumentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether `/healthz` answers 200 (else 503).
    pub healthy: bool,
    /// What is not as it should be, in names such as `port_taken`. They are shown without
    /// authentication.
    pub flags: Vec<Cow<'static, str>>,
}

impl Health {
    /// `{"status":"ok","flags":["a","b"]}`, or `"failing"`.
    pub(super) fn to_json(&self) -> String {
        let mut out = String::from(if self.healthy {
            "{\"status\":\"ok\",\"flags\":["
        } else {
            "{\"status\":\"failing\",\"flags\":["
        });
        for (index, flag) in self.flags.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            out.push('"');
            for c in flag.chars() {
                match c {
                    '"' | '\\' => out.extend(['\\', c]),
                    // Flags are names; what cannot be in one has no business in the response.
                    c if c.is_control() => out.push('_'),
                    c => out.push(c),
                }
            }
            out.push('"');
        }
        out.push_str("]}\n");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::Health;

    #[test]
    fn health_is_json_whatever_the_flags() {
        let health = |healthy, flags: &[&'static str]| {
            Health { healthy, flags: flags.iter().map(|flag| (*flag).into()).collect() }.to_json()
        };
        assert_eq!(health(true, &[]), "{\"status\":\"ok\",\"flags\":[]}\n");
        assert_eq!(
            health(false, &["store_full", "a\"b\\c\n"]),
            "{\"status\":\"failing\",\"flags\":[\"store_full\",\"a\\\"b\\\\c_\"]}\n"
        );
    }
}
