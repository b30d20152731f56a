//! Colours, where there is a terminal that shows them and nobody objects.

use std::io::IsTerminal;

use crate::settings::variable;

/// What stands at the other end of the standard output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    /// Whether it is a terminal.
    pub(crate) is_terminal: bool,
    pub(crate) paint: Paint,
}

impl Terminal {
    /// Columns a line may have; where there is no terminal, any number.
    pub(crate) fn columns(self) -> usize {
        let size = terminal_size::terminal_size().filter(|_| self.is_terminal);
        size.map_or(usize::MAX, |(columns, _)| columns.0.into())
    }

    /// The standard output as it is.
    pub(crate) fn stdout() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        Self { is_terminal, paint: Paint { colour: is_terminal && colours() } }
    }
}

/// Whether colours are wanted on a terminal: <https://no-color.org>.
fn colours() -> bool {
    variable("NO_COLOR").is_none() && variable("TERM").is_some_and(|terminal| terminal != "dumb")
}

/// Paints text, or does not.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Paint {
    pub(crate) colour: bool,
}

impl Paint {
    /// For what is written to the standard error.
    pub(crate) fn stderr() -> Self {
        Self { colour: std::io::stderr().is_terminal() && colours() }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    pub(crate) fn warning(self, text: &str) -> String {
        self.with("33", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.with("31;1", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.colour && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
