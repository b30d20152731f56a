//! `soundpost doctor`: what is wrong here, and what to do about it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use serde::Serialize;
use soundpost::read::Service;
use soundpost::read::store::{CallFilter, Reader};

use super::write_json;
use crate::arguments::{Doctor, Which};
use crate::failure::Failure;
use crate::figures::Figures;
use crate::output::{Paint, Terminal, bytes, count, local, plain};
use crate::{settings, which};

/// Where memory is shared.
const SHARED: &str = "/dev/shm";
/// Eight of the usual segments: with less, segments lie in the state directory.
const ROOMY: u64 = 64 * 1024 * 1024;
/// With less free, what is kept may soon find no room.
const SCARCE: u64 = 256 * 1024 * 1024;
/// How long the driver and the endpoint may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    /// Nothing is wrong, but it is worth knowing.
    Note,
    Fault,
}

/// One check.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    state: State,
    message: String,
    /// What to do.
    advice: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, state: State::Ok, message: message.into(), advice: None }
    }

    fn note(check: &'static str, message: impl Into<String>, advice: &str) -> Self {
        let advice = Some(advice.to_owned()).filter(|advice| !advice.is_empty());
        Self { check, state: State::Note, message: message.into(), advice }
    }

    fn wrong(check: &'static str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, state: State::Fault, message: message.into(), advice: Some(advice.into()) }
    }
}

/// Checks everything, shows what was found, and gives the exit status.
pub(super) fn examine(
    which: &Which,
    command: &Doctor,
    terminal: Terminal,
    out: &mut dyn Write,
) -> Result<i32, Failure> {
    let listen = settings::listen(command.listen.as_deref())?;
    let directory = which::directory(which);
    let mut findings = vec![check_directory(&directory), check_shared_memory(), check_gpus()?];
    let services = match which::named(which) {
        Some(name) => vec![name],
        None => Service::all(&directory),
    };
    if services.is_empty() {
        findings.push(Finding::note(
            "service",
            format!("none has kept files in {} yet", directory.display()),
            "start one, with the same user and directory as this command",
        ));
    }
    let mut served = Vec::new();
    for name in &services {
        match Service::find(&directory, name)? {
            Some(mut service) => {
                served.extend(service.address());
                findings.extend(check_service(&mut service));
            }
            None => findings.push(Finding::wrong(
                "service",
                format!("{} has kept no files in {}", plain(name), directory.display()),
                "start it, with the same user and directory as this command; or look for a typing error",
            )),
        }
    }
    findings.extend(listen.and_then(|listen| check_port(listen, &served)));
    for finding in &findings {
        if command.json {
            write_json(out, finding)?;
        } else {
            show(finding, terminal.paint, out)?;
        }
    }
    Ok(i32::from(findings.iter().any(|finding| finding.state == State::Fault)))
}

fn show(finding: &Finding, paint: Paint, out: &mut dyn Write) -> io::Result<()> {
    let state = match finding.state {
        State::Ok => paint.good("ok   "),
        State::Note => paint.warning("note "),
        State::Fault => paint.bad("fault"),
    };
    writeln!(out, "{state}  {:<13}  {}", finding.check, plain(&finding.message))?;
    if let Some(advice) = &finding.advice {
        writeln!(out, "{:<22}{}", "", paint.bold(&format!("→ {}", plain(advice))))?;
    }
    Ok(())
}

fn check_directory(directory: &Path) -> Finding {
    let check = "directory";
    let path = directory.display();
    let metadata = match std::fs::symlink_metadata(directory) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Finding::note(check, format!("{path} is not there yet"), "the first service makes it");
        }
        Err(error) => {
            return Finding::wrong(
                check,
                format!("{path}: {error}"),
                "set SOUNDPOST_DIRECTORY to one of this user",
            );
        }
    };
    if !metadata.is_dir() && !directory.is_dir() {
        return Finding::wrong(check, format!("{path} is no directory"), "set SOUNDPOST_DIRECTORY to one");
    }
    // The only question that matters is whether a file can be made; bits and mounts say half of it.
    let probe = directory.join(format!(".doctor.{}", std::process::id()));
    match std::fs::File::create_new(&probe).and_then(|_| std::fs::remove_file(&probe)) {
        Err(error) => Finding::wrong(
            check,
            format!("{path} cannot be written: {error}"),
            "give it to the user of the service, or set SOUNDPOST_DIRECTORY to another",
        ),
        Ok(()) => match free(directory) {
            Some(free) if free < SCARCE => Finding::wrong(
                check,
                format!("{path} can be written, {} are free", bytes(free as f64)),
                "make room on its file system; `soundpost prune` takes what is old out of the store",
            ),
            Some(free) => {
                Finding::ok(check, format!("{path} can be written, {} are free", bytes(free as f64)))
            }
            None => Finding::ok(check, format!("{path} can be written")),
        },
    }
}

fn check_shared_memory() -> Finding {
    let check = "shared memory";
    let fallback = "segments lie in the state directory instead";
    match free(Path::new(SHARED)) {
        Some(free) if free >= ROOMY => {
            Finding::ok(check, format!("{SHARED} has {} free", bytes(free as f64)))
        }
        Some(free) => Finding::note(
            check,
            format!("{SHARED} has {} free: {fallback}", bytes(free as f64)),
            "in a container, give it more: docker run --shm-size 1g",
        ),
        None => Finding::note(check, format!("there is no {SHARED}: {fallback}"), ""),
    }
}

fn check_gpus() -> Result<Finding, Failure> {
    let check = "GPU";
    if settings::is_without_gpus()? {
        return Ok(Finding::ok(check, "not sampled, as SOUNDPOST_GPU says"));
    }
    Ok(match soundpost::read::gpus(PATIENCE) {
        Ok(gpus) if gpus.is_empty() => {
            Finding::note(check, "NVML shows none that is visible to this user", "see CUDA_VISIBLE_DEVICES")
        }
        Ok(gpus) => {
            let gpus: Vec<String> = gpus.iter().map(|gpu| format!("{} {}", gpu.index, gpu.name)).collect();
            Finding::ok(check, format!("NVML answers: {}", gpus.join(", ")))
        }
        Err(reason) => Finding::note(
            check,
            format!("not sampled: {reason}"),
            "nothing to do on a machine without one; in a container, the NVIDIA container toolkit brings NVML",
        ),
    })
}

fn check_service(service: &mut Service) -> Vec<Finding> {
    let name = plain(service.name());
    let mut findings = vec![check_permissions(service)];
    let snapshot = service.snapshot();
    let figures = Figures::read(&snapshot, service.prefix());
    let running = match (figures.up, service.reporter(), service.agent()) {
        (true, Some(pid), agent) => {
            let who = if agent == Some(pid) { "its agent" } else { "its own process" };
            Finding::ok("service", format!("{name} runs, {who} {pid} reports"))
        }
        (true, None, _) => Finding::wrong(
            "service",
            format!("{name} runs, but nobody reports for it"),
            "restart it; if that does not help, report it with the log of the service",
        ),
        (false, Some(pid), _) => Finding::wrong(
            "service",
            format!("{name} does not run, its agent {pid} does"),
            format!("start it; soundpost postmortem --service {name} says how it ended"),
        ),
        (false, None, _) => Finding::note("service", format!("{name} does not run"), ""),
    };
    findings.push(running);
    if !figures.unhealthy.is_empty() {
        findings.push(Finding::wrong(
            "health",
            format!("{name}: {}", figures.unhealthy.join(", ")),
            "docs/guide/troubleshooting.md has a row for each",
        ));
    }
    findings.push(check_store(service));
    if let Some(address) = service.address() {
        findings.push(check_endpoint(&name, &address));
    }
    findings
}

/// Files of a service are for its user alone.
fn check_permissions(service: &Service) -> Finding {
    let check = "permissions";
    let folders = service.segment_directories().iter().map(std::path::PathBuf::as_path);
    for folder in folders.chain([service.directory()]) {
        let Ok(metadata) = std::fs::symlink_metadata(folder) else { continue };
        let mode = metadata.permissions().mode() & 0o777;
        let path = folder.display();
        if metadata.uid() != nix::unistd::geteuid().as_raw() {
            let message = format!("{path} belongs to user {}", metadata.uid());
            return Finding::wrong(check, message, "run this command as the user of the service");
        }
        if mode != 0o700 {
            let message = format!("{path} has mode {mode:o}, others may look in");
            return Finding::wrong(check, message, format!("chmod 700 {path}"));
        }
    }
    Finding::ok(check, format!("{} is for this user alone", service.directory().display()))
}

fn check_store(service: &Service) -> Finding {
    let check = "store";
    let name = plain(service.name());
    let store = match Reader::open(service.directory()) {
        Ok(Some(store)) => store,
        Ok(None) => return Finding::note(check, format!("{name} has kept no call yet"), ""),
        Err(error) if error.is_newer() => {
            let advice = "upgrade soundpost; the file is left as it is";
            return Finding::wrong(check, error.to_string(), advice);
        }
        Err(error) => {
            let advice = "the service's next start sets a damaged file aside and begins a new one";
            return Finding::wrong(check, error.to_string(), advice);
        }
    };
    match store.summary(&CallFilter::default()) {
        Ok(summary) => {
            let since =
                summary.ended.map(|(first, _)| format!(" since {}", local(first))).unwrap_or_default();
            Finding::ok(check, format!("{name} has {} calls{since}", count(summary.total())))
        }
        Err(error) => Finding::wrong(
            check,
            error.to_string(),
            "the service's next start sets a damaged file aside and begins a new one",
        ),
    }
}

fn check_endpoint(name: &str, address: &str) -> Finding {
    let check = "endpoint";
    match ask_health(address) {
        Ok(answer) if answer.starts_with("HTTP/1.1 200") => {
            Finding::ok(check, format!("http://{address}/healthz of {name} answers"))
        }
        Ok(answer) if answer.starts_with("HTTP/1.1 503") => Finding::wrong(
            check,
            format!("http://{address}/healthz of {name} says that it cannot work any more"),
            "restart the service: a CUDA error that poisons the process does not go away",
        ),
        // TLS, for one.
        Ok(_) => Finding::note(check, format!("{address} of {name} answers, but not in plain HTTP"), ""),
        Err(error) => Finding::wrong(
            check,
            format!("{address} of {name} does not answer: {error}"),
            "see the log of the service; a firewall between this network namespace and the service's?",
        ),
    }
}

fn ask_health(address: &str) -> io::Result<String> {
    let address: SocketAddr =
        address.parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "it is no address"))?;
    let mut stream = TcpStream::connect_timeout(&reachable(address), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut head = [0; 64];
    let length = stream.read(&mut head)?;
    Ok(String::from_utf8_lossy(&head[..length]).into_owned())
}

/// Who listens on all addresses is asked on this machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// Whether a service that starts could listen.
fn check_port(listen: SocketAddr, served: &[String]) -> Option<Finding> {
    let check = "port";
    if served.iter().any(|address| *address == listen.to_string()) {
        return None;
    }
    Some(match TcpListener::bind(listen) {
        Ok(_) => Finding::ok(check, format!("{listen} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Finding::wrong(
            check,
            format!("{listen} is taken by another program"),
            format!(
                "ss -ltnp 'sport = :{}' says by which; or set SOUNDPOST_LISTEN to another port",
                listen.port()
            ),
        ),
        Err(error) => Finding::wrong(
            check,
            format!("{listen} cannot be had: {error}"),
            "set SOUNDPOST_LISTEN to an address of this machine and a port above 1023",
        ),
    })
}

fn free(directory: &Path) -> Option<u64> {
    let stat = statvfs(directory).ok()?;
    // What is the size of `c_ulong` is not the same on all machines.
    #[allow(clippy::unnecessary_cast)]
    Some(stat.blocks_available() as u64 * stat.fragment_size() as u64)
}
