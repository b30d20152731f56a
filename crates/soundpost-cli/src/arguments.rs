//! The command line: commands, options and their help.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Styles};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use soundpost::Outcome;
use soundpost::read::store::{Level, Pattern};
use soundpost::settings::parse_duration;

use crate::output::{parse_moment, unix_nanos_now};
use crate::service::ServiceArgs;
use crate::settings::ReporterOptions;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXAMPLES: &str = "\
Examples:
  soundpost status                             state of the services
  soundpost run -- python app.py               a service with an agent that survives its crash
  soundpost top                                calls in flight, rates, latency, GPU; q quits
  soundpost calls --last 1h --outcome oom      calls that ran out of memory
  soundpost logs --follow --level warning      warnings and errors as they are logged
  soundpost postmortem                         the last crash
  soundpost doctor                             problems of this machine, with advice

Exit status: 0 success; 1 failure, or a fault found by doctor; 2 wrong arguments; run returns that of its command.
SOUNDPOST_SERVICE and SOUNDPOST_DIRECTORY stand for --service and --directory; NO_COLOR disables colours.";

/// Shows and reports the calls, logs and vitals of inference services.
#[derive(Debug, Parser)]
#[command(name = "soundpost", version, about, after_help = EXAMPLES, styles = STYLES, max_term_width = 110)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the state of one service, or of all services
    Status(Status),
    /// Show calls in flight, rates, latency and the machine, live
    Top(Top),
    /// Show finished calls from the store
    Calls(Calls),
    /// Show log events from the store
    Logs(Logs),
    /// Show stored samples of host, processes and GPUs
    Vitals(Vitals),
    /// Show the last crash: its cause, and the calls that were in flight
    Postmortem(Postmortem),
    /// Delete old records from the store now (normally done automatically by retention)
    Prune(Prune),
    /// Erase the records of a request or a person from the store, postmortems and files of JSON lines
    Erase(Erase),
    /// Check the directory, shared memory, the endpoint and the GPUs, and give advice
    Doctor(Doctor),
    /// Report for a service from a process that outlives it
    Agent(Agent),
    /// Run a command with an agent that survives its crash
    Run(Run),
    /// Print shell completions
    Completions(Completions),
    /// Print the manual page, or write one page per command to a directory
    Man(Man),
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Print one JSON object per service
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Keys: q or Ctrl-C quits.

Examples:
  soundpost top
  ssh gpu-box soundpost top -s indextts2
  soundpost top --once | mail -s 'state of the service' me")]
pub(crate) struct Top {
    /// Refresh interval
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    pub(crate) interval: Duration,
    /// Print the state once as plain text; the default without a terminal
    #[arg(long)]
    pub(crate) once: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TimeRange {
    /// Only records of the given duration before now, e.g. 1h
    #[arg(long, value_name = "TIME", value_parser = parse_duration, conflicts_with_all = ["since", "until"])]
    pub(crate) last: Option<Duration>,
    /// Only records since this time: 2026-01-02T03:04:05Z; 2026-01-02 03:04, 2026-01-02, yesterday or 09:00 in local
    /// time; or 2h ago as 2h
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    pub(crate) since: Option<u64>,
    /// Only records before this time
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    pub(crate) until: Option<u64>,
}

impl TimeRange {
    /// Returns the start, nanoseconds since 1970.
    pub(crate) fn since(&self) -> Option<u64> {
        let nanos = |last: Duration| u64::try_from(last.as_nanos()).unwrap_or(u64::MAX);
        self.last.map(|last| unix_nanos_now().saturating_sub(nanos(last))).or(self.since)
    }
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct RowFormat {
    /// Print one JSON object per line
    #[arg(long, conflicts_with = "csv")]
    pub(crate) json: bool,
    /// Print comma-separated values (RFC 4180) with a header
    #[arg(long)]
    pub(crate) csv: bool,
}

/// Order of calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Order {
    /// The last to end first
    #[default]
    Newest,
    /// The first to end first
    Oldest,
    /// The longest first
    Slowest,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  soundpost calls --last 1h --outcome oom
  soundpost calls --since 2026-01-02 --status error --label emotion=sad
  soundpost calls --last 1d --order slowest --limit 10
  soundpost calls --request-id req-7d8e9f --json | jq .stages
  soundpost calls --follow --status error
  soundpost calls --last 7d --csv > calls.csv")]
pub(crate) struct Calls {
    #[command(flatten)]
    pub(crate) time: TimeRange,
    /// Filter by outcome
    #[arg(long, value_name = "OUTCOME", value_parser = outcomes())]
    pub(crate) outcome: Option<Outcome>,
    /// Filter by status
    #[arg(long, value_name = "STATUS", value_parser = statuses())]
    pub(crate) status: Option<soundpost::Status>,
    /// Filter by operation
    #[arg(long, value_name = "NAME")]
    pub(crate) operation: Option<String>,
    /// Filter by request id
    #[arg(long, value_name = "ID")]
    pub(crate) request_id: Option<String>,
    /// Only calls at least this long
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) slower_than: Option<Duration>,
    /// Filter by label; repeatable
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = parse_label)]
    pub(crate) labels: Vec<(String, String)>,
    /// Maximum number of calls, 0 for all [default: 100; with --json or --csv all; with --follow 10]
    #[arg(long, value_name = "COUNT")]
    pub(crate) limit: Option<usize>,
    /// Order of calls
    #[arg(long, value_name = "ORDER", value_enum, default_value_t)]
    pub(crate) order: Order,
    /// Show the last calls, and then calls as they end
    #[arg(long, short, conflicts_with_all = ["order", "until"])]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) format: RowFormat,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Events are shown in the order in which they were stored, the last at the end.

Examples:
  soundpost logs --level warning
  soundpost logs --last 1h --grep 'out of memory|timed? out'
  soundpost logs --request-id req-7d8e9f
  soundpost logs --follow --logger tts.engine
  soundpost logs --last 1d --json | jq -r .message")]
pub(crate) struct Logs {
    #[command(flatten)]
    pub(crate) time: TimeRange,
    /// Only events of this level or a higher one
    #[arg(long, value_name = "LEVEL", ignore_case = true, value_parser = levels())]
    pub(crate) level: Option<Level>,
    /// Only events whose message or text field matches this regular expression
    #[arg(long, value_name = "PATTERN", value_parser = Pattern::new)]
    pub(crate) grep: Option<Pattern>,
    /// Only events of this logger and of those below it
    #[arg(long, value_name = "NAME")]
    pub(crate) logger: Option<String>,
    /// Filter by request id
    #[arg(long, value_name = "ID")]
    pub(crate) request_id: Option<String>,
    /// Maximum number of events, 0 for all [default: 100; with --json or --csv all; with --follow 10]
    #[arg(long, value_name = "COUNT")]
    pub(crate) limit: Option<usize>,
    /// Show the last events, and then events as they are stored
    #[arg(long, short, conflicts_with = "until")]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) format: RowFormat,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The table has about 40 lines with the maxima of equal intervals.

Examples:
  soundpost vitals --last 10m
  soundpost vitals --since '2026-01-02 03:00' --until '2026-01-02 03:10' --csv > vitals.csv
  soundpost vitals --last 1d --json | jq -s 'map(.gpu_memory_used_bytes // 0) | max'")]
pub(crate) struct Vitals {
    #[command(flatten)]
    pub(crate) time: TimeRange,
    #[command(flatten)]
    pub(crate) format: RowFormat,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Without options, the limits of the service apply. Shared memory of services whose directory was removed is freed as well.

Examples:
  soundpost prune
  soundpost prune --older-than 7d
  soundpost prune --keep-mib 100")]
pub(crate) struct Prune {
    /// Delete records older than this
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) older_than: Option<Duration>,
    /// Delete the oldest records until the store is at most this large, MiB; at least 16
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(16..1 << 40))]
    pub(crate) keep_mib: Option<u64>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A NAME is that of `soundpost calls --json` or `soundpost logs --json`, of a label or of a field. All records with the
request ids of the records found are erased too.

Examples:
  soundpost erase --request-id req-7d8e9f
  soundpost erase --where user=4711 --dry-run
  soundpost erase --where tenant=acme --where voice=anna")]
pub(crate) struct Erase {
    /// Erase the calls and log events of this request; repeatable
    #[arg(long, value_name = "ID", required_unless_present = "values", conflicts_with = "values")]
    pub(crate) request_id: Vec<String>,
    /// Erase calls and log events that have this value; with several, those that have all
    #[arg(long = "where", id = "values", value_name = "NAME=VALUE", value_parser = parse_label)]
    pub(crate) values: Vec<(String, String)>,
    /// Erase from this file of JSON lines too, and from the rotated files beside it; repeatable [default: the files that
    /// sinks of the service have written]
    #[arg(long, value_name = "PATH")]
    pub(crate) lines: Vec<PathBuf>,
    /// Only count the records
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  soundpost postmortem
  soundpost postmortem --json | jq .cause
  soundpost postmortem --list")]
pub(crate) struct Postmortem {
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Print all recorded crashes, one per line, the latest first
    #[arg(long)]
    pub(crate) list: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Exit status: 0 without a fault, 1 with one.")]
pub(crate) struct Doctor {
    /// Print one JSON object per check
    #[arg(long)]
    pub(crate) json: bool,
    /// Address of the endpoint to check [env: SOUNDPOST_LISTEN] [default: 127.0.0.1:9464]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listen: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
TERM, INT and HUP shut the agent down. Processes of the service hand reporting over to the agent within two seconds,
and take over again when it ends.

Examples:
  soundpost agent --service indextts2
  soundpost agent --service indextts2 --listen 0.0.0.0:9464 --bearer-token-file /run/secrets/metrics")]
pub(crate) struct Agent {
    #[command(flatten)]
    pub(crate) reporter: ReporterOptions,
}

/// Condition of a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Restart {
    /// Never
    #[default]
    No,
    /// When it was killed by a signal, or exited with another status than 0
    OnFailure,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The command inherits the terminal, gets SOUNDPOST_SERVICE and SOUNDPOST_DIRECTORY, and receives the signals that are
sent to `soundpost run`, which ends with the same exit status or signal. 127: the command does not exist; 126: it cannot
be executed.

Examples:
  soundpost run --service indextts2 -- python webui.py
  soundpost run -s indextts2 --instrument auto -- python webui.py
  soundpost run -s cosyvoice --restart on-failure -- uvicorn app:app --workers 2
  soundpost run -s sonic --listen 0.0.0.0:9464 --linger 0s -- ./serve.sh")]
pub(crate) struct Run {
    /// How long to keep serving the final metrics after a crash
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    pub(crate) linger: Duration,
    /// Integrations that record the command's Python services: auto, or names with commas between them
    #[arg(long, value_name = "NAMES")]
    pub(crate) instrument: Option<String>,
    /// When to restart the command
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub(crate) restart: Restart,
    /// Grace period between a signal to stop and SIGKILL [default: unlimited]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) kill_after: Option<Duration>,
    #[command(flatten)]
    pub(crate) reporter: ReporterOptions,
    /// Command and its arguments
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
    /// Shell
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  soundpost man | man -l -
  soundpost man --to ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// Directory for one page per command
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
}

fn outcomes() -> impl TypedValueParser<Value = Outcome> {
    PossibleValuesParser::new(Outcome::ALL.map(Outcome::name))
        .try_map(|name| Outcome::from_name(&name).ok_or("unknown outcome"))
}

fn levels() -> impl TypedValueParser<Value = Level> {
    PossibleValuesParser::new(Level::ALL.map(Level::name))
        .try_map(|name| Level::from_name(&name.to_ascii_lowercase()).ok_or("unknown level"))
}

fn statuses() -> impl TypedValueParser<Value = soundpost::Status> {
    let named = |name: String| soundpost::Status::ALL.into_iter().find(|status| status.name() == name);
    PossibleValuesParser::new(soundpost::Status::ALL.map(soundpost::Status::name))
        .try_map(move |name| named(name).ok_or("unknown status"))
}

fn parse_label(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    pair.ok_or_else(|| format!("{text:?} is not a label; use name=value"))
}
