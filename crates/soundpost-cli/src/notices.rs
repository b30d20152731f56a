//! Notices of the reporter, on the standard error: the program has no host with a log.

use soundpost::Telemetry;

use crate::output::plain;

/// The notices that were printed so far.
#[derive(Default)]
pub(crate) struct Notices {
    next: usize,
}

impl Notices {
    pub(crate) fn print_new(&mut self, telemetry: &Telemetry) {
        for notice in telemetry.notices(self.next) {
            self.next = notice.number + 1;
            eprintln!("soundpost: {}", plain(&notice.message));
        }
    }
}
