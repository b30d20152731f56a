//! Help of the commands, in the program and in the guide.

use std::process::Stdio;

use crate::common::{Directory, Running, SERVICE};
use crate::some;

#[test]
fn help_has_examples() {
    let directory = Directory::new();
    insta::assert_snapshot!(directory.run(&["--help"]).good(), @r"
    Shows and reports the calls, logs and vitals of inference services

    Usage: soundpost [OPTIONS] <COMMAND>

    Commands:
      status       Show the state of one service, or of all services
      top          Show calls in flight, rates, latency and the machine, live
      calls        Show finished calls from the store
      logs         Show log events from the store
      vitals       Show stored samples of host, processes and GPUs
      postmortem   Show the last crash: its cause, and the calls that were in flight
      prune        Delete old records from the store now (normally done automatically by retention)
      erase        Erase the records of a request or a person from the store, postmortems and files of JSON lines
      doctor       Check the directory, shared memory, the endpoint and the GPUs, and give advice
      agent        Report for a service from a process that outlives it
      run          Run a command with an agent that survives its crash
      completions  Print shell completions
      man          Print the manual page, or write one page per command to a directory
      help         Print this message or the help of the given subcommand(s)

    Options:
      -s, --service <NAME>   Service to use [default: SOUNDPOST_SERVICE, else the only service there is]
          --directory <DIR>  Directory of the services' files [default: SOUNDPOST_DIRECTORY, else $XDG_STATE_HOME/soundpost, else ~/.local/state/soundpost]
      -h, --help             Print help
      -V, --version          Print version

    Examples:
      soundpost status                             state of the services
      soundpost run -- python app.py               a service with an agent that survives its crash
      soundpost top                                calls in flight, rates, latency, GPU; q quits
      soundpost calls --last 1h --outcome oom      calls that ran out of memory
      soundpost logs --follow --level warning      warnings and errors as they are logged
      soundpost postmortem                         the last crash
      soundpost doctor                             problems of this machine, with advice

    Exit status: 0 success; 1 failure, or a fault found by doctor; 2 wrong arguments; run returns that of its command.
    SOUNDPOST_SERVICE and SOUNDPOST_DIRECTORY stand for --service and --directory; NO_COLOR disables colours.
    ");
    for command in [
        "run",
        "agent",
        "calls",
        "logs",
        "vitals",
        "top",
        "postmortem",
        "prune",
        "erase",
        "completions",
        "man",
    ] {
        let help = directory.run(&[command, "--help"]).good();
        assert!(help.contains("Examples:\n  soundpost "), "{help}");
        assert!(!help.contains('\x1b'));
    }
    insta::assert_snapshot!(directory.run(&["agent", "--help"]).good(), @r"
    Report for a service from a process that outlives it

    Usage: soundpost agent [OPTIONS]

    Options:
          --listen <HOST:PORT>          Address that serves /metrics, or off; port 0 selects a free port [env: SOUNDPOST_LISTEN] [default: 127.0.0.1:9464]
      -s, --service <NAME>              Service to use [default: SOUNDPOST_SERVICE, else the only service there is]
          --directory <DIR>             Directory of the services' files [default: SOUNDPOST_DIRECTORY, else $XDG_STATE_HOME/soundpost, else ~/.local/state/soundpost]
          --label <NAME=VALUE>          Labels of every metric, call and log event; repeatable [env: SOUNDPOST_LABELS]
          --sink <URL>                  Servers and files that stored records are shipped to; repeatable [env: SOUNDPOST_SINKS]
          --namespace <PREFIX>          Prefix of the request metrics [env: SOUNDPOST_NAMESPACE] [default: the service's name, with _ for other characters]
          --instance <NAME>             Name of this instance in shipped records; set it in containers [env: SOUNDPOST_INSTANCE] [default: the host's name]
          --gpu <WHICH>                 GPUs to sample: those visible to the service, all of the machine, or none [env: SOUNDPOST_GPU] [default: visible]
          --sample-interval <TIME>      Interval between samples of host, processes and GPUs, and between polls of Gauge.set_function; off for no samples [env: SOUNDPOST_SAMPLE_INTERVAL] [default: 1s]
          --gpu-memory-interval <TIME>  Interval between GPU samples while calls are in flight, by which GPU memory is attributed to calls; off for none [env: SOUNDPOST_GPU_MEMORY_INTERVAL] [default: 100ms]
          --store <BOOL>                Whether finished calls, log events and vitals are stored on disk [env: SOUNDPOST_STORE] [default: true]
          --store-days <DAYS>           Retention of the store [env: SOUNDPOST_STORE_DAYS] [default: 30]
          --store-bytes <SIZE>          Maximum size of the store; the oldest records are deleted first [env: SOUNDPOST_STORE_BYTES] [default: 512MiB]
          --bearer-token-file <FILE>    File with the token that a scrape must send, read at start [env: SOUNDPOST_BEARER_TOKEN_FILE]
          --allowed-host <NAME>         Names by which an endpoint without credentials is scraped, beside this host's; *.example.org for all below a domain, * for any; repeatable [env: SOUNDPOST_ALLOWED_HOSTS]
          --exemplars <BOOL>            Whether histograms keep the id of the last call in each bucket, which OpenMetrics scrapes expose [env: SOUNDPOST_EXEMPLARS] [default: true]
          --tls-cert <FILE>             Certificate chain of the endpoint, PEM [env: SOUNDPOST_TLS_CERT]
          --tls-key <FILE>              Private key of the certificate, PEM [env: SOUNDPOST_TLS_KEY]
          --idle-limit <TIME>           Idle timeout after which a call without progress ends as abandoned [env: SOUNDPOST_IDLE_LIMIT] [default: 10m]
      -h, --help                        Print help

    TERM, INT and HUP shut the agent down. Processes of the service hand reporting over to the agent within two seconds,
    and take over again when it ends.

    Examples:
      soundpost agent --service indextts2
      soundpost agent --service indextts2 --listen 0.0.0.0:9464 --bearer-token-file /run/secrets/metrics
    ");
    let done = directory.run(&["whatever"]);
    assert_eq!(done.status.code(), Some(2));
    assert!(done.err.contains("unrecognized subcommand 'whatever'"), "{}", done.err);
}

#[test]
fn completions_and_pages_are_generated() {
    let directory = Directory::new();
    for (shell, part) in
        [("bash", "_soundpost()"), ("zsh", "#compdef soundpost"), ("fish", "complete -c soundpost")]
    {
        let text = directory.run(&["completions", shell]).good();
        assert!(text.contains(part) && text.contains("postmortem"), "{shell}");
    }
    // bash itself has no objection.
    let script = directory.path().join("soundpost.bash");
    std::fs::write(&script, directory.run(&["completions", "bash"]).good()).unwrap();
    let checked = std::process::Command::new("bash").arg("-n").arg(&script).status().unwrap();
    assert!(checked.success());
    let page = directory.run(&["man"]).good();
    assert!(page.contains(".TH soundpost 1") && page.contains("postmortem"), "{page}");
    let pages = directory.path().join("man");
    directory.run(&["man", "--to", pages.to_str().unwrap()]).good();
    assert!(pages.join("soundpost.1").exists() && pages.join("soundpost-run.1").exists());
}

/// Lines of shell in the guide and in the help that run the program.
fn written_commands(directory: &Directory) -> Vec<String> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut texts: Vec<String> = ["README.md", "docs/guide/cli.md", "docs/guide/agent.md"]
        .map(|document| {
            let text = std::fs::read_to_string(root.join(document)).unwrap();
            let blocks =
                text.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned());
            blocks.collect::<Vec<_>>().join("\n")
        })
        .into();
    for command in [
        "",
        "run",
        "agent",
        "calls",
        "logs",
        "vitals",
        "top",
        "postmortem",
        "prune",
        "erase",
        "completions",
        "man",
    ] {
        let arguments: &[&str] = if command.is_empty() { &["--help"] } else { &[command, "--help"] };
        texts.push(directory.run(arguments).good());
    }
    let lines = texts.iter().flat_map(|text| text.lines()).map(str::trim);
    lines.filter(|line| line.starts_with("soundpost ") && !line.ends_with(':')).map(str::to_owned).collect()
}

#[test]
fn commands_of_the_guide_are_accepted() {
    let directory = some();
    let commands = written_commands(&directory);
    assert!(commands.len() > 30, "{commands:#?}");
    let program = env!("CARGO_BIN_EXE_soundpost");
    for line in commands {
        // The rest of the line is for other programs, or describes the command.
        let line = line.split(" | ").next().unwrap().split(" > ").next().unwrap();
        let line = line.split("    ").next().unwrap().trim();
        let arguments = line.strip_prefix("soundpost ").unwrap();
        // It is started without a path to find anything by: a command to run is not there, and an agent ends.
        let endless = arguments.starts_with("agent") || arguments.contains("--follow");
        let script = format!("{}{program} {arguments}", if endless { "timeout -s TERM 0.5 " } else { "" });
        let mut command = std::process::Command::new("/bin/sh");
        for (name, value) in directory.program(&[]).get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let secrets = directory.path().join("token");
        std::fs::write(&secrets, "open-sesame").unwrap();
        let script = script
            .replace("~/", &format!("{}/", directory.path().display()))
            .replace("/run/secrets/metrics", secrets.to_str().unwrap())
            .replace("0.0.0.0:9464", "127.0.0.1:0");
        command.args(["-c", &script]).current_dir(directory.path()).stdin(Stdio::null());
        command.env("SOUNDPOST_SERVICE", SERVICE);
        if arguments.starts_with("run") {
            command.env("PATH", directory.path());
        }
        let done = Running::start(command).end();
        let expected = match () {
            // Only the program of the Python package has integrations.
            () if arguments.contains("--instrument") => vec![Some(2)],
            () if arguments.starts_with("run") => vec![Some(127)],
            () if endless => vec![Some(0), Some(124)],
            () => vec![Some(0)],
        };
        assert!(expected.contains(&done.status.code()), "{line}: {done:#?}");
    }
}
