//! Selection of a service, and the directory of the services' files.

use std::path::PathBuf;

use clap::Args;
use soundpost::read::Service;

use crate::environment::variable;
use crate::error::CommandError;
use crate::notices;

/// Options that select a service.
#[derive(Debug, Args)]
pub(crate) struct ServiceArgs {
    /// Service to use [default: SOUNDPOST_SERVICE, else the only service there is]
    #[arg(long, short, global = true, value_name = "NAME")]
    pub(crate) service: Option<String>,
    /// Directory of the services' files [default: SOUNDPOST_DIRECTORY, else $XDG_STATE_HOME/soundpost, else
    /// ~/.local/state/soundpost]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}

impl ServiceArgs {
    pub(crate) fn directory(&self) -> PathBuf {
        self.directory.clone().unwrap_or_else(soundpost::default_directory)
    }

    /// Returns the name that the option or the variable gives.
    pub(crate) fn given_name(&self) -> Option<String> {
        self.service.clone().or_else(|| variable("SOUNDPOST_SERVICE"))
    }

    /// Returns the given name, or that of the only service.
    ///
    /// # Errors
    /// When no name is given and there is no service, or more than one.
    pub(crate) fn name(&self) -> Result<String, CommandError> {
        if let Some(name) = self.given_name() {
            return Ok(name);
        }
        let directory = self.directory();
        let missing = |what: &str| {
            CommandError::Usage(format!("{what}; give --service NAME, or set SOUNDPOST_SERVICE"))
        };
        match &Service::all(&directory)[..] {
            [] => Err(missing(&format!("no service has files in {}", directory.display()))),
            [only] => Ok(only.clone()),
            several => Err(missing(&format!("there are several services: {}", several.join(", ")))),
        }
    }

    /// Finds a service, and stores what dead processes of it left if no process reports.
    ///
    /// # Errors
    /// When memory cannot be allocated.
    pub(crate) fn find(&self, name: &str) -> Result<Option<Service>, CommandError> {
        let service = Service::find(&self.directory(), name)?;
        for notice in service.as_ref().map(Service::recover).transpose()?.unwrap_or_default() {
            notices::print(&notice);
        }
        Ok(service)
    }

    /// Opens the service for reading.
    ///
    /// # Errors
    /// When no service is selected, or it has no files.
    pub(crate) fn open(&self) -> Result<Service, CommandError> {
        let name = self.name()?;
        if let Some(service) = self.find(&name)? {
            return Ok(service);
        }
        let directory = self.directory();
        let all = Service::all(&directory);
        let others = if all.is_empty() {
            "there are none".to_owned()
        } else {
            format!("there are: {}", all.join(", "))
        };
        Err(CommandError::Failed(format!(
            "service {name:?} has no files in {} ({others}); check the user and the directory of the service",
            directory.display()
        )))
    }
}
