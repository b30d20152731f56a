//! Colours of the output.

use std::io::IsTerminal;

use crate::environment::variable;

/// The terminal of the standard output, if there is one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    pub(crate) is_terminal: bool,
    pub(crate) paint: Paint,
}

impl Terminal {
    /// Returns the width of a line; unlimited without a terminal.
    pub(crate) fn columns(self) -> usize {
        let size = terminal_size::terminal_size().filter(|_| self.is_terminal);
        size.map_or(usize::MAX, |(columns, _)| columns.0.into())
    }

    pub(crate) fn stdout() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        Self { is_terminal, paint: Paint { colour: is_terminal && are_colours_wanted() } }
    }
}

/// Whether the environment allows colours: <https://no-color.org>.
fn are_colours_wanted() -> bool {
    variable("NO_COLOR").is_none() && variable("TERM").is_some_and(|terminal| terminal != "dumb")
}

/// Painter of text; without colours it returns text unchanged.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Paint {
    pub(crate) colour: bool,
}

impl Paint {
    pub(crate) fn stderr() -> Self {
        Self { colour: std::io::stderr().is_terminal() && are_colours_wanted() }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.styled("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.styled("2", text)
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.styled("32", text)
    }

    pub(crate) fn warning(self, text: &str) -> String {
        self.styled("33", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.styled("31;1", text)
    }

    fn styled(self, code: &str, text: &str) -> String {
        if self.colour && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
