//! Values of options: how their text is read, and their type in Python.

use std::path::PathBuf;
use std::time::Duration;

/// A type that the text of an option is read into, and written as.
pub(crate) trait OptionValue: Sized {
    /// Type of the argument in Python.
    const PYTHON: &'static str;

    /// Reads a value. The error completes `name: ` and cannot hold the text, which may be part of a secret.
    fn read(text: &str) -> Result<Self, &'static str>;

    /// Writes a value as it is read, also by a process with another working directory.
    fn write(&self) -> String;
}

impl OptionValue for String {
    const PYTHON: &'static str = "str";

    fn read(text: &str) -> Result<Self, &'static str> {
        Ok(text.to_owned())
    }

    fn write(&self) -> String {
        self.clone()
    }
}

impl OptionValue for PathBuf {
    const PYTHON: &'static str = "str | os.PathLike[str]";

    fn read(text: &str) -> Result<Self, &'static str> {
        Ok(text.into())
    }

    fn write(&self) -> String {
        std::path::absolute(self).unwrap_or_else(|_| self.clone()).to_string_lossy().into_owned()
    }
}

impl OptionValue for bool {
    const PYTHON: &'static str = "bool";

    fn read(text: &str) -> Result<Self, &'static str> {
        match text.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Ok(true),
            "0" | "false" | "no" | "off" => Ok(false),
            _ => Err("use true or false"),
        }
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl OptionValue for u64 {
    const PYTHON: &'static str = "int";

    fn read(text: &str) -> Result<Self, &'static str> {
        number(text)
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl OptionValue for usize {
    const PYTHON: &'static str = "int";

    fn read(text: &str) -> Result<Self, &'static str> {
        number(text)
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl OptionValue for Duration {
    const PYTHON: &'static str = "float";

    fn read(text: &str) -> Result<Self, &'static str> {
        let seconds = number(text).ok().and_then(|seconds| Self::try_from_secs_f64(seconds).ok());
        seconds.ok_or("use a number of seconds")
    }

    fn write(&self) -> String {
        self.as_secs_f64().to_string()
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

    fn read(text: &str) -> Result<Self, &'static str> {
        u32::from_str_radix(text, 8).map(Self).map_err(|_| "use an octal number, such as 640")
    }

    fn write(&self) -> String {
        format!("{:o}", self.0)
    }
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, &'static str> {
    text.trim().parse().map_err(|_| "use a number in digits, not too large")
}
