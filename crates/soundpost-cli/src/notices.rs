//! Notices of the reporter, on the standard error: the program has no host with a log.

use soundpost::{Notice, Telemetry};

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
            print(&notice);
        }
    }
}

/// Prints a notice.
pub(crate) fn print(notice: &Notice) {
    eprintln!("soundpost: {}", plain(&notice.message));
}
