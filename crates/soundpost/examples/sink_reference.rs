//! Prints the options of all sinks, as the guide's page or as stubs of the Python classes:
//! `cargo run -p soundpost --features sinks --example sink_reference -- guide > docs/guide/sink-options.md`, and
//! `cargo run -p soundpost --features sinks --example sink_reference -- python > python/soundpost/_sinks.pyi`.

use soundpost::sink::{KINDS, OptionRow, RegisteredKind, TargetForm};

/// Longest line of the stubs, characters.
const LINE: usize = 110;

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("python") => print!("{}", stubs()),
        _ => print!("{}", guide()),
    }
}

/// Returns the page of the guide.
pub(crate) fn guide() -> String {
    let mut page = String::from(
        "# Options of sinks\n\n\
         Generated from the code by `cargo run -p soundpost --features sinks --example sink_reference -- guide`.\n\n\
         An option has one name everywhere: the argument in Python, the method in Rust, and the query of a URL in\n\
         `SOUNDPOST_SINKS`. [Sinks](sinks.md) describes their delivery.\n",
    );
    for kind in KINDS {
        page += &format!("\n## {}\n\n{}\n\nURL: {}.\n\n", kind.class, kind.about, places(kind));
        page += "| option | type in Python | default | description |\n|---|---|---|---|\n";
        for OptionRow { name, python, default, help } in kind.options() {
            page +=
                &format!("| `{name}` | `{}` | {default} | {} |\n", python.replace('|', "\\|"), help.trim());
        }
    }
    page
}

/// Returns the forms of a kind's URLs.
fn places(kind: &RegisteredKind) -> String {
    match kind.target {
        TargetForm::Url(schemes) => {
            let port = |(scheme, port)| format!("`{scheme}://` (port {port})");
            let urls: Vec<_> = schemes.iter().copied().map(port).collect();
            let list = format!("in the list of `SOUNDPOST_SINKS` with `{}+` before it", kind.name);
            format!("{}; {list}", urls.join(", "))
        }
        TargetForm::Path => {
            format!("a path, `-` for standard output; in the list of `SOUNDPOST_SINKS` `{}:PATH`", kind.name)
        }
    }
}

/// Returns the stubs of the Python classes.
pub(crate) fn stubs() -> String {
    let mut text = String::from(
        "# Generated from the code by `cargo run -p soundpost --features sinks --example sink_reference -- python`.\n\
         \"\"\"Sinks: where `init(sinks=[...])` ships what is stored. `init` checks what they hold.\"\"\"\n\n\
         import os\nfrom typing import Literal\n\n\
         class Sink:\n    \"\"\"A sink of any kind.\"\"\"\n\n\
         \x20   def _as_tuple(self) -> tuple[str, str, tuple[tuple[str, str], ...]]: ...\n",
    );
    for kind in KINDS {
        let (place, python) = match kind.target {
            TargetForm::Url(_) => ("url", "str"),
            TargetForm::Path => ("path", "str | os.PathLike[str]"),
        };
        text +=
            &format!("\nclass {}(Sink):\n    \"\"\"{}\"\"\"\n\n    def __init__(\n", kind.class, kind.about);
        text += &format!("        self,\n        {place}: {python},\n        *,\n");
        for option in kind.options() {
            text += &format!("        {}: {} | None = None,\n", option.name, option.python);
        }
        text += "    ) -> None:\n        \"\"\"Returns a sink. Arguments that are None have their default.\n\n        Args:\n";
        text += &wrapped(&format!("{place}: {}.", places(kind)));
        for OptionRow { name, default, help, .. } in kind.options() {
            text += &wrapped(&format!("{name}: {} Default: {default}.", help.trim()));
        }
        text += "        \"\"\"\n";
    }
    text
}

/// Breaks the description of an argument into lines of a docstring.
fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::from("           ");
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > LINE {
            lines += &line;
            lines += "\n";
            line = " ".repeat(15);
        }
        line += " ";
        line += word;
    }
    lines + &line + "\n"
}
