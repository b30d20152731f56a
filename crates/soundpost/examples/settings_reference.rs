//! Prints `docs/guide/settings.md`, from the declarations of the settings.
//!
//! ```sh
//! cargo run -p soundpost --example settings_reference > docs/guide/settings.md
//! ```

use std::fmt::Write;

use soundpost::settings::Setting;

const HEAD: &str = "\
# Settings

Generated from the code by `cargo run -p soundpost --example settings_reference > docs/guide/settings.md`; a test fails
when it is out of date.

Every setting has the same name and form in Python, in Rust, in the environment and in the program:

- `init` takes it as an argument. In Rust it is a method of `Telemetry::builder(name)`.
- If no argument is given, the environment variable is read. An empty variable counts as unset, except that an empty
  `SOUNDPOST_LISTEN` means no endpoint.
- [`soundpost agent` and `soundpost run`](agent.md) have options for most settings. An option takes precedence over the
  variable.

Values are written as usual: durations as `500ms`, `10m` or `1h30m`, sizes as `512MiB` or `512M` (1024 each) or `512MB`
(1000 each), switches as `true`, `yes`, `on`, `1` and their opposites. A bare number is in seconds, days or bytes, as the
table says. In `SOUNDPOST_LISTEN` a port alone (`9464`, `:9464`) listens on 127.0.0.1.

A value that cannot be used is an error at start that names the argument, option or variable. Services that are
instrumented without a call of `init` start with the default instead, and a warning.

`SOUNDPOST_DISABLED=1` switches everything off, whatever the code sets: no thread, no file, no shared memory. `init`
returns an object that exposes nothing, decorated functions run at the cost they have before `init`, and `soundpost run`
only runs the command.
";

fn main() {
    print!("{}", reference());
}

/// Returns the text of `docs/guide/settings.md`.
pub(crate) fn reference() -> String {
    let mut text = HEAD.to_owned();
    text.push_str("\n| argument and variable | values | default | description |\n|---|---|---|---|\n");
    for setting in Setting::ALL.iter().filter(|setting| setting.is_argument) {
        row(&mut text, setting);
    }
    text.push_str("\n## Variables without an argument\n\n| variable | values | default | description |\n|---|---|---|---|\n");
    for setting in Setting::ALL.iter().filter(|setting| !setting.is_argument) {
        row(&mut text, setting);
    }
    text.push_str(
        "\n## Options and methods\n\n| argument | option of `agent` and `run` | Rust: `Builder::` |\n|---|---|---|\n",
    );
    for setting in Setting::ALL.iter().filter(|setting| setting.is_argument) {
        let option = setting.option.map(|option| format!("`--{option} {}`", setting.value_name));
        let builder =
            if setting.builder.is_empty() { String::new() } else { format!("`{}`", setting.builder) };
        let _ = writeln!(text, "| `{}` | {} | {builder} |", setting.name, option.unwrap_or_default());
    }
    text.push_str(TAIL);
    text
}

fn row(text: &mut String, setting: &Setting) {
    let default = match (setting.default, setting.default_note) {
        ("", "") => "none".to_owned(),
        (_, note) if !note.is_empty() => note.to_owned(),
        (default, _) => format!("`{default}`"),
    };
    let name = match setting.is_argument {
        true => format!("`{}`, `{}`", setting.name, setting.variable()),
        false => format!("`{}`", setting.variable()),
    };
    let more = match setting.guide {
        "" => String::new(),
        page => format!(" ([more]({page}))"),
    };
    let _ = writeln!(text, "| {name} | {} | {default} | {}{more} |", setting.accepts(), setting.help);
}

const TAIL: &str = "
The program's options `--service` and `--directory` belong to every command. Secrets have no option, because other users
can read the command line of a process.

The Rust builder has these options in addition:

| `Builder::` | default | description |
|---|---|---|
| `start_event` | true | log event at the start of a run |
| `series_limit` | 2000 | maximum number of series of a family |
| `buckets` | by unit | bucket bounds of a histogram that is recorded through the `metrics` facade |
| `facade` | true | recorder of the `metrics` facade |
| `append`, `through_facade` | | [beside metrics-exporter-prometheus](existing-exporter.md) |
| `agent` | | report for a service without being one of its processes |

## Files

Segments lie in `/dev/shm/soundpost-<uid>/`. If less than eight times a segment's size is free there, they lie in the
service's folder of `directory`. That folder also contains the locks of the election (`reporter.lock`) and of an agent
(`agent.lock`), the address of the endpoint, the sinks without their secrets, the store and the
[postmortems](agent.md). All files are private to one user: directories have mode 0700, files 0600, and symbolic links are not followed. A service's name may contain any
characters; those that cannot be part of a path are replaced.
";
