//! Steps at which a test has a process killed: each is named where it is reached. Without the feature
//! `kill-steps`, which is for tests only, all of it is nothing.

#[cfg(not(feature = "kill-steps"))]
mod disabled;
#[cfg(feature = "kill-steps")]
mod enabled;

#[cfg(not(feature = "kill-steps"))]
pub use disabled::reach;
#[cfg(feature = "kill-steps")]
pub use enabled::reach;

/// Steps of a process that records.
pub const RECORDING: [&str; 3] = ["reserve", "write", "commit"];
/// Steps of the process that reports. `acknowledge` is reached only where there are sinks.
pub const REPORTING: [&str; 7] =
    ["drain", "store-commit", "cursor-save", "free", "fold", "unlink", "acknowledge"];
/// Environment variable that says where to be killed: `STEP:N`, at the N-th time that the step is reached.
pub const KILL_AT: &str = "SOUNDPOST_KILL_AT";
