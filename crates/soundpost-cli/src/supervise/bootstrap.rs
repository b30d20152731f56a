//! The bootstrap of the Python package, which records known services without a change of their code.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::error::CommandError;

/// Words that select every integration.
const ALL: &str = "auto";

/// The integrations of the Python package, as its program passes them.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    /// Directory whose `sitecustomize` hooks a Python process that has it first in `PYTHONPATH`.
    pub directory: PathBuf,
    /// Names of the integrations.
    pub integrations: Vec<String>,
}

/// Returns the variables by which a command is hooked. `names` are `auto` or integrations with commas between them.
pub(super) fn variables(
    names: &str,
    bootstrap: Option<&Bootstrap>,
) -> Result<[(&'static str, OsString); 2], CommandError> {
    let Some(bootstrap) = bootstrap else {
        return Err(CommandError::Usage(
            "--instrument: this program has no integrations; use that of the Python package: pip install soundpost"
                .to_owned(),
        ));
    };
    let known = |name: &&str| *name == ALL || bootstrap.integrations.iter().any(|known| known == name);
    if let Some(unknown) = names.split(',').map(str::trim).find(|name| !known(name)) {
        let known = bootstrap.integrations.join(", ");
        return Err(CommandError::Usage(format!(
            "--instrument: there is no integration {unknown:?}; use {ALL}, or names of: {known}"
        )));
    }
    let mut path = bootstrap.directory.clone().into_os_string();
    if let Some(before) = std::env::var_os("PYTHONPATH").filter(|before| !before.is_empty()) {
        path.push(":");
        path.push(before);
    }
    Ok([("SOUNDPOST_INSTRUMENT", names.into()), ("PYTHONPATH", path)])
}
