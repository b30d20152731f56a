//! Selection of a service, and the directory of the services' files.

use std::path::PathBuf;

use clap::Args;
use soundpost::read::Service;

use crate::environment::variable;
use crate::error::CommandError;
use crate::notices;
use crate::output::plain;
use crate::user::{self, ADVICE, ROOT};

/// The directory and the name of a service.
pub(crate) type Located = (PathBuf, String);

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

    /// Returns the services with files below the directory. For root and without a given directory, also those that other
    /// users have in `/dev/shm`.
    ///
    /// # Errors
    /// When root cannot take the rights of their users.
    pub(crate) fn all(&self) -> Result<Vec<Located>, CommandError> {
        user::assume(ROOT)?;
        let directory = self.directory();
        let mut all: Vec<Located> =
            Service::all(&directory).into_iter().map(|name| (directory.clone(), name)).collect();
        for user in self.other_users().filter(|_| user::is_root()) {
            user::assume(user)?;
            all.extend(Service::in_shared_memory());
        }
        user::assume(ROOT)?;
        Ok(all)
    }

    /// Returns notes about services of other users whose files this user cannot read.
    pub(crate) fn closed(&self) -> Vec<String> {
        if user::is_root() { Vec::new() } else { user::closed(&self.directory(), self.other_users()) }
    }

    fn other_users(&self) -> impl Iterator<Item = u32> {
        let is_default = self.directory.is_none() && variable("SOUNDPOST_DIRECTORY").is_none();
        is_default.then(Service::other_users).into_iter().flatten()
    }

    /// Returns the given name, or that of the only service.
    ///
    /// # Errors
    /// When no name is given and there is no service, or more than one.
    pub(crate) fn name(&self) -> Result<String, CommandError> {
        Ok(self.locate()?.1)
    }

    /// Returns the directory and the name of the given or the only service.
    fn locate(&self) -> Result<Located, CommandError> {
        let all = self.all()?;
        let directory = self.directory();
        if let Some(name) = self.given_name() {
            let is_here = Service::owner(&directory, &name).is_some();
            let elsewhere = all.into_iter().find(|(_, other)| !is_here && *other == name);
            return Ok(elsewhere.unwrap_or((directory, name)));
        }
        let missing = |what: &str| {
            CommandError::Usage(format!("{what}; give --service NAME, or set SOUNDPOST_SERVICE"))
        };
        match &all[..] {
            [] => {
                let message = format!("no service has files in {}", directory.display());
                let is_closed = !self.closed().is_empty();
                Err(if is_closed {
                    CommandError::Failed(self.explained(&message))
                } else {
                    missing(&message)
                })
            }
            [only] => Ok(only.clone()),
            several => Err(missing(&format!("there are several services: {}", names(several)))),
        }
    }

    /// Finds a service, and stores what dead processes of it left if no process reports. Root reads it as its user.
    ///
    /// # Errors
    /// When memory cannot be allocated, or root cannot take the rights of its user.
    pub(crate) fn find((directory, name): &Located) -> Result<Option<Service>, CommandError> {
        user::assume_owner(directory, name)?;
        let service = Service::find(directory, name)?;
        for notice in service.as_ref().map(Service::recover).transpose()?.unwrap_or_default() {
            notices::print(&notice);
        }
        Ok(service)
    }

    /// Opens the service for reading. Root has the rights of its user from then on.
    ///
    /// # Errors
    /// When no service is selected, or it has no files that can be read.
    pub(crate) fn open(&self) -> Result<Service, CommandError> {
        let located = self.locate()?;
        if let Some(service) = Self::find(&located)? {
            user::keep()?;
            if let Err(error) = service.directory().read_dir() {
                let name = plain(service.name());
                let message = format!("cannot read {}: {error}", service.directory().display());
                return Err(CommandError::Failed(self.explained(&format!("service {name}: {message}"))));
            }
            return Ok(service);
        }
        let (directory, name) = located;
        let all = self.all()?;
        let others =
            if all.is_empty() { "there are none".to_owned() } else { format!("there are: {}", names(&all)) };
        Err(CommandError::Failed(self.explained(&format!(
            "service {name:?} has no files in {} ({others}); check the user and the directory of the service",
            directory.display()
        ))))
    }

    /// Adds what this user cannot read to a message about a missing service.
    fn explained(&self, message: &str) -> String {
        let closed = self.closed();
        if closed.is_empty() {
            message.to_owned()
        } else {
            format!("{message}. {}: {ADVICE}", closed.join("; "))
        }
    }
}

fn names(services: &[Located]) -> String {
    services.iter().map(|(_, name)| &**name).collect::<Vec<_>>().join(", ")
}
