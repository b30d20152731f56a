//! The commands, one file each.

mod agent;
mod calls;
mod doctor;
mod erase;
mod follow;
mod hooks;
mod logs;
mod man;
mod postmortem;
mod prune;
mod status;
mod vitals;

use std::io::{self, Write};

use crate::arguments::{Arguments, Command};
use crate::error::CommandError;
use crate::output::{Output, Terminal};
use crate::supervise::Bootstrap;
use crate::{supervise, top};

/// Runs the command, and returns the exit status.
pub(crate) fn execute(arguments: &Arguments, bootstrap: Option<&Bootstrap>) -> Result<i32, CommandError> {
    let service = &arguments.service;
    let mut writer = io::BufWriter::new(io::stdout().lock());
    let mut out = Output { writer: &mut writer, terminal: Terminal::stdout() };
    let status = match &arguments.command {
        Command::Status(command) => status::show(service, command, &mut out),
        Command::Top(command) => top::show(service, command, &mut out),
        Command::Calls(command) => calls::show(service, command, &mut out),
        Command::Logs(command) => logs::show(service, command, &mut out),
        Command::Vitals(command) => vitals::show(service, command, &mut out),
        Command::Prune(command) => prune::prune(service, command, &mut out),
        Command::Erase(command) => erase::erase(service, command, &mut out),
        Command::Postmortem(command) => postmortem::show(service, command, &mut out),
        Command::Doctor(command) => doctor::examine(service, command, &mut out),
        Command::Agent(command) => agent::report(service, command),
        Command::Run(command) => supervise::run(service, command, bootstrap),
        Command::Completions(command) => man::write_completions(command, out.writer),
        Command::Man(command) => man::write_manual(command, out.writer),
    }?;
    writer.flush()?;
    Ok(status)
}
