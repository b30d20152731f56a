//! Which service is meant, and where services keep their files.

use std::path::PathBuf;

use soundpost::read::Service;

use crate::arguments::Which;
use crate::failure::Failure;
use crate::settings::variable;

/// Where services keep their files.
pub(crate) fn directory(which: &Which) -> PathBuf {
    which.directory.clone().unwrap_or_else(soundpost::default_directory)
}

/// The service that was named, by an option or by its variable.
pub(crate) fn named(which: &Which) -> Option<String> {
    which.service.clone().or_else(|| variable("SOUNDPOST_SERVICE"))
}

/// The name of the service that is meant, whether or not it has kept files.
///
/// # Errors
/// When none was named and there is none, or more than one.
pub(crate) fn name(which: &Which) -> Result<String, Failure> {
    if let Some(name) = named(which) {
        return Ok(name);
    }
    let directory = directory(which);
    let mut all = Service::all(&directory);
    let missing =
        |what: &str| Failure::Usage(format!("{what}; give --service NAME, or set SOUNDPOST_SERVICE"));
    match (all.pop(), all.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            Err(missing(&format!("there are several services: {}, {last}", all.join(", "))))
        }
        (None, _) => Err(missing(&format!("no service has kept files in {}", directory.display()))),
    }
}

/// The service that is meant.
///
/// # Errors
/// When it cannot be told, or has kept nothing.
pub(crate) fn service(which: &Which) -> Result<Service, Failure> {
    let name = name(which)?;
    let directory = directory(which);
    if let Some(service) = Service::find(&directory, &name)? {
        return Ok(service);
    }
    let all = Service::all(&directory);
    let others =
        if all.is_empty() { "none has".to_owned() } else { format!("there are: {}", all.join(", ")) };
    Err(Failure::Failed(format!(
        "no service {name:?} has kept files in {} ({others}); does it run as this user, with this directory?",
        directory.display()
    )))
}
