//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Styles};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use soundpost::Outcome;

use crate::output::{parse_duration, parse_moment};
use crate::settings::ReporterOptions;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXAMPLES: &str = "\
Examples:
  soundpost status                             what is running
  soundpost run -- python app.py               a service, and an agent that survives its crash
  soundpost top                                calls in flight, rates, latency, GPU; q ends it
  soundpost calls --last 1h --outcome oom      calls that ran out of memory
  soundpost postmortem                         the last death
  soundpost doctor                             what is wrong here, and what to do

Exit status: 0 done; 1 failed, or doctor found a fault; 2 wrong arguments; run passes on that of its command.
SOUNDPOST_SERVICE and SOUNDPOST_DIRECTORY stand for --service and --directory; NO_COLOR turns colours off.";

/// What the processes of an inference service recorded, and an agent that outlives them.
#[derive(Debug, Parser)]
#[command(name = "soundpost", version, about, after_help = EXAMPLES, styles = STYLES, max_term_width = 110)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which service is meant.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The service [default: SOUNDPOST_SERVICE, else the only one there is]
    #[arg(long, short, global = true, value_name = "NAME")]
    pub(crate) service: Option<String>,
    /// Where services keep their files [default: SOUNDPOST_DIRECTORY, else $XDG_STATE_HOME/soundpost, else
    /// ~/.local/state/soundpost]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say what is running: of one service, or of all there are
    Status(Status),
    /// Show calls in flight, rates, latency and the machine, live
    Top(Top),
    /// Show finished calls from the store
    Calls(Calls),
    /// Show what was sampled of host, processes and GPUs, from the store
    Vitals(Vitals),
    /// Show what the last death left: how the service died, and the calls that were in flight
    Postmortem(Postmortem),
    /// Take what is old out of the store now; the reporter does so by itself within its limits
    Prune(Prune),
    /// Check the directory, shared memory, the endpoint and the GPUs, and say what to do
    Doctor(Doctor),
    /// Report for a service, as a process of its own that outlives it
    Agent(Agent),
    /// Run a service's command together with an agent that survives its crash
    Run(Run),
    /// Print completions for a shell
    Completions(Completions),
    /// Print the manual page, or write one for each command into a directory
    Man(Man),
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// One JSON object a line, a line for each service
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Keys: q or Ctrl-C ends it.

Examples:
  soundpost top
  ssh gpu-box soundpost top -s indextts2
  soundpost top --once | mail -s 'state of the service' me")]
pub(crate) struct Top {
    /// Between two looks
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    pub(crate) interval: Duration,
    /// Print one look as plain text and end; so it does where the output is no terminal
    #[arg(long)]
    pub(crate) once: bool,
}

/// Of which time.
#[derive(Debug, Args)]
pub(crate) struct Time {
    /// Of the last so long, such as 1h
    #[arg(long, value_name = "TIME", value_parser = parse_duration, conflicts_with_all = ["since", "until"])]
    pub(crate) last: Option<Duration>,
    /// From this moment on: 2026-01-02T03:04:05Z, 2026-01-02 03:04 or 2026-01-02 in the time of this machine, or 2h
    /// for so long ago
    #[arg(long, value_name = "MOMENT", value_parser = parse_moment)]
    pub(crate) since: Option<u64>,
    /// Before this moment
    #[arg(long, value_name = "MOMENT", value_parser = parse_moment)]
    pub(crate) until: Option<u64>,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Format {
    /// One JSON object a line
    #[arg(long, conflicts_with = "csv")]
    pub(crate) json: bool,
    /// Comma-separated values (RFC 4180), with a line of names
    #[arg(long)]
    pub(crate) csv: bool,
}

/// What comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Order {
    /// What ended last
    #[default]
    Newest,
    /// What ended first
    Oldest,
    /// What took longest
    Slowest,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  soundpost calls --last 1h --outcome oom
  soundpost calls --since 2026-01-02 --status error --label emotion=sad
  soundpost calls --last 1d --order slowest --limit 10
  soundpost calls --request-id req-7d8e9f --json | jq .stages
  soundpost calls --last 7d --csv > calls.csv")]
pub(crate) struct Calls {
    #[command(flatten)]
    pub(crate) time: Time,
    /// That ended so
    #[arg(long, value_name = "OUTCOME", value_parser = outcomes())]
    pub(crate) outcome: Option<Outcome>,
    /// That count as this
    #[arg(long, value_name = "STATUS", value_parser = statuses())]
    pub(crate) status: Option<soundpost::Status>,
    /// Of this operation
    #[arg(long, value_name = "NAME")]
    pub(crate) operation: Option<String>,
    /// With this request id
    #[arg(long, value_name = "ID")]
    pub(crate) request_id: Option<String>,
    /// That took so long or longer
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) slower_than: Option<Duration>,
    /// With this label; more than once for several
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = parse_label)]
    pub(crate) labels: Vec<(String, String)>,
    /// At most so many, 0 for all [default: 100; with --json or --csv all]
    #[arg(long, value_name = "COUNT")]
    pub(crate) limit: Option<usize>,
    /// What comes first
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    pub(crate) order: Order,
    #[command(flatten)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
#[command(after_help = "\
As a table it shows about 40 lines: the highest value of each stretch of time.

Examples:
  soundpost vitals --last 10m
  soundpost vitals --since '2026-01-02 03:00' --until '2026-01-02 03:10' --csv > vitals.csv
  soundpost vitals --last 1d --json | jq -s 'map(.gpu_memory_used_bytes // 0) | max'")]
pub(crate) struct Vitals {
    #[command(flatten)]
    pub(crate) time: Time,
    #[command(flatten)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  soundpost prune --older-than 7d
  soundpost prune --keep-mib 100")]
pub(crate) struct Prune {
    /// What is older than this goes
    #[arg(long, value_name = "TIME", value_parser = parse_duration, required_unless_present = "keep_mib")]
    pub(crate) older_than: Option<Duration>,
    /// The oldest goes until the store has so many MiB; 16 or more
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(16..1 << 40))]
    pub(crate) keep_mib: Option<u64>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  soundpost postmortem
  soundpost postmortem --json | jq .cause
  soundpost postmortem --list")]
pub(crate) struct Postmortem {
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// All that are kept, one a line, the latest first
    #[arg(long)]
    pub(crate) list: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Exit status: 0 where nothing is wrong, 1 where something is.")]
pub(crate) struct Doctor {
    /// One JSON object a check
    #[arg(long)]
    pub(crate) json: bool,
    /// Address of the endpoint to check [env: SOUNDPOST_LISTEN] [default: 127.0.0.1:9464]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listen: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
TERM, INT and HUP end it in good order. Processes of the service that report for themselves hand over to it within
two seconds, and take over again when it ends.

Examples:
  soundpost agent --service indextts2
  soundpost agent --service indextts2 --listen 0.0.0.0:9464 --bearer-token-file /run/secrets/metrics")]
pub(crate) struct Agent {
    #[command(flatten)]
    pub(crate) reporting: ReporterOptions,
}

/// When a command is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Restart {
    /// Never
    #[default]
    No,
    /// When it was killed by a signal, or ended with another status than 0
    OnFailure,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The command gets SOUNDPOST_SERVICE and SOUNDPOST_DIRECTORY, the terminal, and the signals that are sent to `soundpost run`.
Its exit status is passed on; where a signal ended it, `soundpost run` ends by the same signal. 127: there is no such
command; 126: it cannot be executed.

Examples:
  soundpost run --service indextts2 -- python webui.py
  soundpost run -s cosyvoice --restart on-failure -- uvicorn app:app --workers 2
  soundpost run -s sonic --listen 0.0.0.0:9464 --linger 0s -- ./serve.sh")]
pub(crate) struct Run {
    /// How long after a crash the last state is served, so that it is scraped
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    pub(crate) linger: Duration,
    /// Whether the command is started again
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub(crate) restart: Restart,
    /// How long after it was asked to stop the command is killed [default: never]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) kill_after: Option<Duration>,
    #[command(flatten)]
    pub(crate) reporting: ReporterOptions,
    /// The command and its arguments
    #[arg(required = true, last = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  soundpost completions bash > ~/.local/share/bash-completion/completions/soundpost
  soundpost completions zsh > ~/.zfunc/_soundpost
  soundpost completions fish > ~/.config/fish/completions/soundpost.fish")]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  soundpost man | man -l -
  soundpost man --to ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// Where to write the pages
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
}

fn outcomes() -> impl TypedValueParser<Value = Outcome> {
    PossibleValuesParser::new(Outcome::ALL.map(Outcome::name))
        .try_map(|name| Outcome::from_name(&name).ok_or("no outcome"))
}

fn statuses() -> impl TypedValueParser<Value = soundpost::Status> {
    let named = |name: String| soundpost::Status::ALL.into_iter().find(|status| status.name() == name);
    PossibleValuesParser::new(soundpost::Status::ALL.map(soundpost::Status::name))
        .try_map(move |name| named(name).ok_or("no status"))
}

fn parse_label(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    pair.ok_or_else(|| format!("{text:?} is no label; use name=value"))
}
