//! What is said of the commands, in the program and in the guide.

use std::process::Stdio;

use crate::common::{Directory, Running, SERVICE};
use crate::some;

#[test]
fn help_has_examples() {
    let directory = Directory::new();
    insta::assert_snapshot!(directory.run(&["--help"]).good(), @r"
    The program soundpost: what a service's processes recorded, and an agent that outlives them

    Usage: soundpost [OPTIONS] <COMMAND>

    Commands:
      status       Say what is running: of one service, or of all there are
      top          Show calls in flight, rates, latency and the machine, live
      calls        Show finished calls from the store
      vitals       Show what was sampled of host, processes and GPUs, from the store
      postmortem   Show what the last death left: how the service died, and the calls that were in flight
      prune        Take what is old out of the store now; the reporter does so by itself within its limits
      doctor       Check the directory, shared memory, the endpoint and the GPUs, and say what to do
      agent        Report for a service, as a process of its own that outlives it
      run          Run a service's command together with an agent that survives its crash
      completions  Print completions for a shell
      man          Print the manual page, or write one for each command into a directory
      help         Print this message or the help of the given subcommand(s)

    Options:
      -s, --service <NAME>   The service [default: SOUNDPOST_SERVICE, else the only one there is]
          --directory <DIR>  Where services keep their files [default: SOUNDPOST_DIRECTORY, else $XDG_STATE_HOME/soundpost, else ~/.local/state/soundpost]
      -h, --help             Print help
      -V, --version          Print version

    Examples:
      soundpost status                             what is running
      soundpost run -- python app.py               a service, and an agent that survives its crash
      soundpost top                                calls in flight, rates, latency, GPU; q ends it
      soundpost calls --last 1h --outcome oom      calls that ran out of memory
      soundpost postmortem                         the last death
      soundpost doctor                             what is wrong here, and what to do

    Exit status: 0 done; 1 failed, or doctor found a fault; 2 wrong arguments; run passes on that of its command.
    SOUNDPOST_SERVICE and SOUNDPOST_DIRECTORY stand for --service and --directory; NO_COLOR turns colours off.
    ");
    for command in ["run", "agent", "calls", "vitals", "top", "postmortem", "prune", "completions", "man"] {
        let help = directory.run(&[command, "--help"]).good();
        assert!(help.contains("Examples:\n  soundpost "), "{help}");
        assert!(!help.contains('\x1b'));
    }
    let done = directory.run(&["whatever"]);
    assert_eq!(done.status.code(), Some(2));
    assert!(done.err.contains("unrecognized subcommand 'whatever'"), "{}", done.err);
}

#[test]
fn completions_and_pages_are_made() {
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
    for command in ["", "run", "agent", "calls", "vitals", "top", "postmortem", "prune", "completions", "man"]
    {
        let arguments: &[&str] = if command.is_empty() { &["--help"] } else { &[command, "--help"] };
        texts.push(directory.run(arguments).good());
    }
    let lines = texts.iter().flat_map(|text| text.lines()).map(str::trim);
    lines.filter(|line| line.starts_with("soundpost ") && !line.ends_with(':')).map(str::to_owned).collect()
}

#[test]
fn what_the_guide_says_is_understood() {
    let directory = some();
    let commands = written_commands(&directory);
    assert!(commands.len() > 30, "{commands:#?}");
    let program = env!("CARGO_BIN_EXE_soundpost");
    for line in commands {
        // What follows is for other programs; in the help, what it does.
        let line = line.split(" | ").next().unwrap().split(" > ").next().unwrap();
        let line = line.split("    ").next().unwrap().trim();
        let arguments = line.strip_prefix("soundpost ").unwrap();
        // It is started without a path to find anything by: a command to run is not there, and an agent ends.
        let agent = arguments.starts_with("agent");
        let script = format!("{}{program} {arguments}", if agent { "timeout -s TERM 0.5 " } else { "" });
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
            () if arguments.starts_with("run") => vec![Some(127)],
            () if agent => vec![Some(0), Some(124)],
            () => vec![Some(0)],
        };
        assert!(expected.contains(&done.status.code()), "{line}: {done:#?}");
    }
}
