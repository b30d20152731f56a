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
use crate::failure::Failure;
use crate::output::Terminal;

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

/// Why [`query`] has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Whether the arguments are at fault.
    pub usage: bool,
    /// For a person.
    pub message: String,
}

/// What a command that reads would write to a pipe, without doing so: for a binding. The arguments are those behind the
/// program's name.
///
/// # Errors
/// When the arguments cannot be used, or what they ask for cannot be read.
pub fn query(arguments: impl IntoIterator<Item = OsString>) -> Result<Vec<u8>, Refusal> {
    let arguments = [OsString::from("soundpost")].into_iter().chain(arguments);
    let arguments = Arguments::try_parse_from(arguments).map_err(|error| {
        let text = error.render().to_string();
        let line = text.lines().next().unwrap_or_default();
        Refusal { usage: true, message: line.trim_start_matches("error: ").to_owned() }
    })?;
    let mut out = Vec::new();
    command::write(&arguments, Terminal::none(), &mut out).map_err(|failure| match failure {
        Failure::Usage(message) => Refusal { usage: true, message },
        Failure::Failed(message) => Refusal { usage: false, message },
        Failure::Unread => Refusal { usage: false, message: "nobody reads on".to_owned() },
    })?;
    Ok(out)
}
