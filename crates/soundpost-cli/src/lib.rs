//! The program `soundpost`: shows what a service recorded, and runs an agent that outlives the service.
//!
//! The binary of this crate and the script of the Python wheel both call [`run`].
//!
//! | exit status | meaning |
//! |---|---|
//! | 0 | success |
//! | 1 | failure, or a fault found by `doctor`; the standard error has the reason |
//! | 2 | wrong arguments |
//! | 126, 127 | `run`: the command cannot be executed, or does not exist |
//! | any | `run`: the status of the command; a command killed by a signal is passed on as that signal |

#![forbid(unsafe_code)]

mod arguments;
mod command;
mod environment;
mod error;
mod format;
mod notices;
mod output;
mod postmortem;
mod rows;
mod service;
mod settings;
mod signals;
mod summary;
mod supervise;
mod top;
mod user;

use std::ffi::OsString;

use clap::Parser as _;

use crate::arguments::Arguments;
pub use crate::supervise::Bootstrap;

/// Runs the program with these arguments, the first of which is its name, and returns its exit status. The command
/// `run` may end the process by the signal that ended its command.
///
/// The process must have one thread only, or block all signals in the others.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> i32 {
    run_with(arguments, None)
}

/// Runs the program as [`run`] does, with the integrations of the Python package.
pub fn run_with(arguments: impl IntoIterator<Item = OsString>, bootstrap: Option<&Bootstrap>) -> i32 {
    match Arguments::try_parse_from(arguments) {
        Ok(arguments) => match command::execute(&arguments, bootstrap) {
            Ok(status) => status,
            Err(error) => error.report(),
        },
        Err(error) => {
            // The standard output may be closed.
            let _ = error.print();
            error.exit_code()
        }
    }
}
