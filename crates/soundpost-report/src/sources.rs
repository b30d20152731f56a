//! The content that the server exposes, as functions.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use soundpost_core::snapshot::Snapshot;

/// Functions that provide the content of responses. The server calls them on its own thread, so each should return
/// within milliseconds. After a panic the response is 500, and `fault` is called.
#[derive(Clone)]
pub struct Sources {
    /// Returns the snapshot that `/metrics` renders.
    pub snapshot: Arc<dyn Fn() -> Snapshot + Send + Sync>,
    /// Returns text 0.0.4 of another exporter, which is appended without the families that the snapshot has. With an
    /// appendix the format is always text 0.0.4: one line that violates OpenMetrics would lose the whole scrape.
    pub appendix: Option<Arc<dyn Fn() -> String + Send + Sync>>,
    /// Returns the state for `/healthz` and `/readyz`.
    pub health: Arc<dyn Fn() -> Health + Send + Sync>,
    /// Records the time to render and compress one scrape.
    pub observe_scrape: Arc<dyn Fn(Duration) + Send + Sync>,
    /// Counts a fault of the server: `"render"` or `"health"` (a source panicked), `"accept"` (accepting a connection
    /// failed, for want of descriptors or memory).
    pub fault: Arc<dyn Fn(&'static str) + Send + Sync>,
    /// Reports the first request to a host of another name, see [`ServerConfig::allowed_hosts`](crate::ServerConfig).
    pub refused: Arc<dyn Fn(&str) + Send + Sync>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("appendix", &self.appendix.is_some()).finish_non_exhaustive()
    }
}

/// Health of the service and its instrumentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether the service can work. `/healthz` returns 503 without that, and while it loads.
    pub healthy: bool,
    /// Whether a process of the service is up and has loaded what it needs. An agent alone is none.
    pub is_ready: bool,
    /// Whether all processes of the service are in their first phase of loading.
    pub is_loading: bool,
    /// Names of raised flags, such as `port_taken`. They are exposed without authentication.
    pub flags: Vec<Cow<'static, str>>,
}

impl Health {
    /// Reports whether `/healthz` returns 200.
    pub fn is_ok(&self) -> bool {
        self.healthy && !self.is_loading
    }

    /// Returns `{"status":"ok","flags":["a","b"]}`, or `"failing"` or `"loading"`.
    pub fn to_json(&self) -> String {
        let status = match (self.healthy, self.is_loading) {
            (false, _) => "failing",
            (true, true) => "loading",
            (true, false) => "ok",
        };
        // Flags are names; control characters are not exposed.
        let escaped = |flag: &Cow<'_, str>| {
            flag.replace('\\', r"\\").replace('"', "\\\"").replace(char::is_control, "_")
        };
        let flags: Vec<_> = self.flags.iter().map(|flag| format!("\"{}\"", escaped(flag))).collect();
        format!("{{\"status\":\"{status}\",\"flags\":[{}]}}\n", flags.join(","))
    }

    /// Returns why `/readyz` returns 503; `None` where it returns 200.
    pub fn unready(&self) -> Option<&'static str> {
        match (self.is_ready, self.healthy) {
            (true, true) => None,
            (true, false) => Some("the service cannot work any more, see /healthz"),
            (false, _) => Some("no process of the service is up and loaded"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Health;

    #[test]
    fn health_is_json_whatever_the_flags() {
        let health = |healthy, flags: &[&'static str]| {
            Health {
                healthy,
                is_ready: true,
                is_loading: false,
                flags: flags.iter().map(|flag| (*flag).into()).collect(),
            }
            .to_json()
        };
        assert_eq!(health(true, &[]), "{\"status\":\"ok\",\"flags\":[]}\n");
        assert_eq!(
            health(false, &["store_full", "a\"b\\c\n"]),
            "{\"status\":\"failing\",\"flags\":[\"store_full\",\"a\\\"b\\\\c_\"]}\n"
        );
    }
}
