//! Constants of the running kernel.

use nix::unistd::{SysconfVar, sysconf};

/// Returns a positive constant, such as the number of ticks a second.
pub(super) fn positive(variable: SysconfVar) -> Option<f64> {
    sysconf(variable).ok().flatten().filter(|&value| value > 0).map(|value| value as f64)
}
