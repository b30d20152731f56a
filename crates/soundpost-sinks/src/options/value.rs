//! Values of options: how their text is read, and their type in Python.

use std::path::PathBuf;
use std::time::Duration;

/// A type that the text of an option is read into.
pub(crate) trait OptionValue: Sized {
    /// Type of the argument in Python.
    const PYTHON: &'static str;

    /// Reads a value. The error completes `name: `.
    fn read(text: &str) -> Result<Self, String>;
}

impl OptionValue for String {
    const PYTHON: &'static str = "str";

    fn read(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl OptionValue for PathBuf {
    const PYTHON: &'static str = "str | os.PathLike[str]";

    fn read(text: &str) -> Result<Self, String> {
        Ok(text.into())
    }
}

impl OptionValue for bool {
    const PYTHON: &'static str = "bool";

    fn read(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Ok(true),
            "0" | "false" | "no" | "off" => Ok(false),
            _ => Err(format!("{text:?} is neither true nor false")),
        }
    }
}

impl OptionValue for u64 {
    const PYTHON: &'static str = "int";

    fn read(text: &str) -> Result<Self, String> {
        number(text)
    }
}

impl OptionValue for usize {
    const PYTHON: &'static str = "int";

    fn read(text: &str) -> Result<Self, String> {
        number(text)
    }
}

impl OptionValue for Duration {
    const PYTHON: &'static str = "float";

    fn read(text: &str) -> Result<Self, String> {
        let seconds = number(text)?;
        Self::try_from_secs_f64(seconds).map_err(|_| format!("{text:?} is no number of seconds"))
    }
}

/// Permissions of a file, octal in text.
pub(crate) struct Mode(pub(crate) u32);

impl From<u32> for Mode {
    fn from(mode: u32) -> Self {
        Self(mode)
    }
}

impl OptionValue for Mode {
    const PYTHON: &'static str = "int | str";

    fn read(text: &str) -> Result<Self, String> {
        u32::from_str_radix(text, 8).map(Self).map_err(|_| format!("{text:?} is no octal number"))
    }
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.trim().parse().map_err(|_| format!("{text:?} is no number that fits"))
}
