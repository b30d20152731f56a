//! The commands, one a file.

mod agent;
mod calls;
mod doctor;
mod pages;
mod postmortem;
mod prune;
mod status;
mod vitals;

use std::io::{self, Write};

pub(crate) use agent::Notices;

use crate::arguments::{Arguments, Command};
use crate::failure::Failure;
use crate::output::Terminal;
use crate::{supervise, watch};

/// Does what was asked, and gives the exit status.
///
/// # Errors
/// When it cannot be done.
pub(crate) fn execute(arguments: Arguments) -> Result<i32, Failure> {
    if let Command::Run(command) = &arguments.command {
        return supervise::run(&arguments.which, command);
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    let status = write(&arguments, Terminal::stdout(), &mut out)?;
    out.flush()?;
    Ok(status)
}

/// As [`execute`], for every command but `run`, with another place for what it writes.
///
/// # Errors
/// When it cannot be done.
pub(crate) fn write(
    arguments: &Arguments,
    terminal: Terminal,
    mut out: &mut dyn Write,
) -> Result<i32, Failure> {
    let which = &arguments.which;
    match &arguments.command {
        Command::Status(command) => status::show(which, command, terminal, &mut out),
        Command::Top(command) => watch::show(which, command, terminal, &mut out),
        Command::Calls(command) => calls::show(which, command, terminal, &mut out),
        Command::Vitals(command) => vitals::show(which, command, terminal, &mut out),
        Command::Prune(command) => prune::prune(which, command, &mut out),
        Command::Postmortem(command) => postmortem::show(which, command, terminal, &mut out),
        Command::Doctor(command) => doctor::examine(which, command, terminal, &mut out),
        Command::Agent(command) => agent::report(which, command),
        Command::Run(_) => Err(Failure::Usage("run: it has the terminal, and writes nothing".to_owned())),
        Command::Completions(command) => pages::completions(command, &mut out),
        Command::Man(command) => pages::manual(command, &mut out),
    }
}

/// The service's store; none before anything was kept.
///
/// # Errors
/// When it cannot be read; the message names the file.
fn open_store(service: &soundpost::read::Service) -> Result<Option<soundpost::read::store::Reader>, Failure> {
    soundpost::read::store::Reader::open(service.directory())
        .map_err(|error| Failure::Failed(error.to_string()))
}

/// Writes one JSON object and ends the line.
///
/// # Errors
/// When the output cannot be written.
fn write_json(out: &mut dyn Write, object: &impl serde::Serialize) -> Result<(), Failure> {
    let line = serde_json::to_string(object).map_err(|error| Failure::Failed(error.to_string()))?;
    writeln!(out, "{line}")?;
    Ok(())
}
