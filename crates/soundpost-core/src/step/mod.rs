//! Steps at which a test kills a process. Without the feature `kill-steps`, which is for tests only, they do nothing.

#[cfg(not(feature = "kill-steps"))]
mod disabled;
#[cfg(feature = "kill-steps")]
mod enabled;

#[cfg(not(feature = "kill-steps"))]
pub use disabled::reach;
#[cfg(feature = "kill-steps")]
pub use enabled::reach;

/// Steps of a recording process.
pub const RECORDING: [&str; 3] = ["reserve", "write", "commit"];
/// Steps of the reporter. `acknowledge` is reached only with sinks.
pub const REPORTING: [&str; 7] =
    ["drain", "store-commit", "cursor-save", "free", "fold", "unlink", "acknowledge"];
/// Environment variable of the kill point: `STEP:N`, at the N-th time that the step is reached.
pub const KILL_AT: &str = "SOUNDPOST_KILL_AT";
