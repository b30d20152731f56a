//! The program `soundpost`: what the processes of a service recorded, and an agent that outlives them.
//!
//! The binary of this crate and the script of the Python wheel both call [`run`].
//!
//! | exit status | means |
//! |---|---|
//! | 0 | done |
//! | 1 | it failed, or `doctor` found a fault; what it is stands on the standard error |
//! | 2 | the arguments cannot be used |
//! | 126, 127 | `run`: the command cannot be executed, is not there |
//! | any | `run`: that of the command; one that was killed by a signal is passed on as that signal |

#![forbid(unsafe_code)]

mod arguments;
mod command;
mod describe;
mod failure;
mod figures;
mod output;
mod postmortem;
mod rows;
mod settings;
mod signals;
mod supervise;
mod watch;
mod which;

use std::ffi::OsString;

use clap::Parser as _;

use crate::arguments::Arguments;

/// Runs the program with these arguments, the first of which is its name, and gives its exit status. `run` may end
/// the process by the signal that ended its command.
///
/// The caller is a process with one thread, or one whose other threads block all signals.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> i32 {
    match Arguments::try_parse_from(arguments) {
        Ok(arguments) => match command::execute(arguments) {
            Ok(status) => status,
            Err(failure) => failure.report(),
        },
        Err(error) => {
            // Help goes to the standard output, which may be closed.
            let _ = error.print();
            error.exit_code()
        }
    }
}
