//! `soundpost doctor`: checks of this machine and its services, with advice.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use serde::Serialize;
use soundpost::read::Service;
use soundpost::read::snapshot::Snapshot;
use soundpost::read::store::{CallFilter, Reader};

use super::hooks::{self, Hooks};
use super::prune;
use super::status::usage_text;
use crate::arguments::Doctor;
use crate::error::CommandError;
use crate::output::{Output, Paint, format_bytes, format_count, format_local, plain};
use crate::service::ServiceArgs;
use crate::settings;
use crate::summary::ServiceSummary;
use crate::user::{self, ADVICE};

const SHARED_MEMORY: &str = "/dev/shm";
/// Minimum free shared memory, bytes: eight default segments. With less, segments lie in the state directory.
const MIN_SHARED_BYTES: u64 = 64 * 1024 * 1024;
/// Minimum free space of the state directory, bytes.
const MIN_FREE_BYTES: u64 = 256 * 1024 * 1024;
/// Timeout of the driver and of the endpoint.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Advice for a store of a newer version.
const NEWER_ADVICE: &str = "upgrade soundpost; the file is left as it is";
/// Advice for a store that cannot be read.
const DAMAGED_ADVICE: &str = "the service's next start sets a damaged file aside and creates a new one";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Ok,
    Note,
    Fault,
}

#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    state: Severity,
    message: String,
    advice: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, state: Severity::Ok, message: message.into(), advice: None }
    }

    fn note(check: &'static str, message: impl Into<String>, advice: &str) -> Self {
        let advice = Some(advice.to_owned()).filter(|advice| !advice.is_empty());
        Self { check, state: Severity::Note, message: message.into(), advice }
    }

    fn wrong(check: &'static str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, state: Severity::Fault, message: message.into(), advice: Some(advice.into()) }
    }
}

/// Runs all checks, shows the findings, and returns the exit status.
pub(super) fn examine(
    service: &ServiceArgs,
    command: &Doctor,
    out: &mut Output<'_>,
) -> Result<i32, CommandError> {
    let listen = settings::listen(command.listen.as_deref())?;
    let directory = service.directory();
    user::assume_owner_of(&directory)?;
    let mut findings = vec![check_directory(&directory), check_shared_memory(), check_gpus()?];
    findings.extend(prune::reclaimed().map(|text| Finding::ok("shared memory", text)));
    let services = match service.given_name() {
        Some(name) => vec![(directory.clone(), name)],
        None => service.all()?,
    };
    findings.extend(service.closed().into_iter().map(|note| Finding::note("service", note, ADVICE)));
    let here = directory.display();
    if services.is_empty() {
        let advice = "start a service with the user and the directory of this command";
        findings.push(Finding::note("service", format!("no service has files in {here} yet"), advice));
    }
    let mut served = Vec::new();
    for (directory, name) in &services {
        user::assume_owner(directory, name)?;
        if let Some(mut service) = Service::find(directory, name)? {
            served.extend(service.address());
            findings.extend(check_service(&mut service));
        } else {
            let advice = "start it with the user and the directory of this command, or check the spelling";
            let message = format!("{} has no files in {here}", plain(name));
            findings.push(Finding::wrong("service", message, advice));
        }
    }
    findings.extend(listen.and_then(|listen| check_port(listen, &served)));
    for finding in &findings {
        if command.json {
            out.json(finding)?;
        } else {
            out.lines(lines(finding, out.terminal.paint))?;
        }
    }
    Ok(i32::from(findings.iter().any(|finding| finding.state == Severity::Fault)))
}

fn lines(finding: &Finding, paint: Paint) -> Vec<String> {
    let state = match finding.state {
        Severity::Ok => paint.good("ok   "),
        Severity::Note => paint.warning("note "),
        Severity::Fault => paint.bad("fault"),
    };
    let advice = finding.advice.as_ref();
    let advice = advice.map(|advice| format!("{:<22}{}", "", paint.bold(&format!("→ {}", plain(advice)))));
    let line = format!("{state}  {:<13}  {}", finding.check, plain(&finding.message));
    std::iter::once(line).chain(advice).collect()
}

fn check_directory(directory: &Path) -> Finding {
    let check = "directory";
    let path = directory.display();
    let wrong = |message: String, advice: &str| Finding::wrong(check, message, advice);
    match std::fs::symlink_metadata(directory) {
        Ok(metadata) if metadata.is_dir() || directory.is_dir() => {}
        Ok(_) => {
            return wrong(format!("{path} is not a directory"), "set SOUNDPOST_DIRECTORY to a directory");
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Finding::note(
                check,
                format!("{path} does not exist yet"),
                "the first service creates it",
            );
        }
        Err(error) => {
            return wrong(format!("{path}: {error}"), "set SOUNDPOST_DIRECTORY to a directory of this user");
        }
    }
    if let Err(error) = Service::check_root(directory) {
        let advice = format!("services use /dev/shm instead; chmod go-w {path}, or set SOUNDPOST_DIRECTORY");
        return wrong(format!("{path}: {error}"), &advice);
    }
    if let Err(error) = Service::check_locks(directory) {
        let advice = "services use /dev/shm instead; set SOUNDPOST_DIRECTORY to a directory on a local disk";
        return wrong(format!("{path}: {error}"), advice);
    }
    // Permissions and mounts alone do not show whether a file can be created.
    let probe = directory.join(format!(".doctor.{}", std::process::id()));
    if let Err(error) = std::fs::File::create_new(&probe).and_then(|_| std::fs::remove_file(&probe)) {
        let advice = "give it to the user of the service, or set SOUNDPOST_DIRECTORY to another directory";
        return wrong(format!("{path} cannot be written: {error}"), advice);
    }
    let Some(free) = free(directory) else { return Finding::ok(check, format!("{path} can be written")) };
    let message = format!("{path} can be written, {} are free", format_bytes(free as f64));
    if free < MIN_FREE_BYTES {
        return wrong(message, "free space on its file system; `soundpost prune` deletes old records");
    }
    Finding::ok(check, message)
}

fn check_shared_memory() -> Finding {
    let check = "shared memory";
    let fallback = "segments lie in the state directory instead";
    let Some(free) = free(Path::new(SHARED_MEMORY)) else {
        return Finding::note(check, format!("there is no {SHARED_MEMORY}: {fallback}"), "");
    };
    let message = format!("{SHARED_MEMORY} has {} free", format_bytes(free as f64));
    if free >= MIN_SHARED_BYTES {
        return Finding::ok(check, message);
    }
    let advice = "in a container, give it more: docker run --shm-size 1g";
    Finding::note(check, format!("{message}: {fallback}"), advice)
}

fn check_gpus() -> Result<Finding, CommandError> {
    let check = "GPU";
    if settings::is_without_gpus()? {
        return Ok(Finding::ok(check, "not sampled, by SOUNDPOST_GPU"));
    }
    Ok(match soundpost::read::gpus(ANSWER_TIMEOUT) {
        Ok(found) if found.gpus.is_empty() => {
            let message = "NVML shows no GPU that is visible to this user";
            Finding::note(check, message, "check CUDA_VISIBLE_DEVICES")
        }
        Ok(found) => {
            let gpus: Vec<String> =
                found.gpus.iter().map(|gpu| format!("{} {}", gpu.index, gpu.name)).collect();
            let message = format!("NVML reports {}", gpus.join(", "));
            match found.warning {
                Some(warning) => Finding::note(check, message, warning),
                None => Finding::ok(check, message),
            }
        }
        Err(reason) => {
            let advice =
                "none on a machine without a GPU; in a container, install the NVIDIA container toolkit";
            Finding::note(check, format!("not sampled: {reason}"), advice)
        }
    })
}

fn check_service(service: &mut Service) -> Vec<Finding> {
    let name = plain(service.name());
    let mut findings = vec![check_permissions(service)];
    let snapshot = service.snapshot();
    let summary = ServiceSummary::of_snapshot(&snapshot, service.prefix());
    let running = match (summary.up, service.reporter(), service.agent()) {
        (true, Some(pid), agent) => {
            let reporter = if agent == Some(pid) { "its agent" } else { "its own process" };
            Finding::ok("service", format!("{name} runs, {reporter} {pid} reports"))
        }
        (true, None, _) => {
            let advice = "restart it; if that does not help, file an issue with the log of the service";
            Finding::wrong("service", format!("{name} runs without a reporter"), advice)
        }
        (false, Some(pid), _) => {
            let advice = format!("start it; soundpost postmortem --service {name} shows how it ended");
            Finding::wrong("service", format!("{name} does not run, but its agent {pid} does"), advice)
        }
        (false, None, _) => Finding::note("service", format!("{name} does not run"), ""),
    };
    findings.push(running);
    if !summary.unhealthy.is_empty() {
        let message = format!("{name}: {}", summary.unhealthy.join(", "));
        let advice = "docs/guide/troubleshooting.md has a row for each";
        findings.push(Finding::wrong("health", message, advice));
    }
    findings.extend(check_integrations(&name, &snapshot));
    findings.push(check_store(service));
    findings.extend(service.unshipped_sinks().into_iter().map(|(sink, why)| {
        let message = format!("the agent of {name} does not ship to {}", plain(&sink));
        Finding::wrong("sink", message, why)
    }));
    if let Some(address) = service.address() {
        findings.push(check_endpoint(&name, &address));
    }
    findings
}

/// Reports the states of each integration's hooks in a running service.
fn check_integrations(service: &str, snapshot: &Snapshot) -> Vec<Finding> {
    let check = "integration";
    let integrations = hooks::of_snapshot(snapshot);
    let finding = |(integration, hooks): (String, Hooks)| {
        let named = |state: &str, hooks: &[String]| {
            (!hooks.is_empty()).then(|| format!("{state}: {}", plain(&hooks.join(", "))))
        };
        let states = [(!hooks.ok.is_empty()).then(|| format!("{} ok", hooks.ok.len()))];
        let others = [named("partial", &hooks.partial), named("gone", &hooks.gone)];
        let states: Vec<String> = states.into_iter().chain(others).flatten().collect();
        let message = format!("{service} has the hooks of {}: {}", plain(&integration), states.join("; "));
        match hooks.gone.is_empty() {
            true => Finding::ok(check, message),
            false => Finding::note(
                check,
                message,
                "the installed version lacks these functions; docs/guide/integrations.md has what is recorded",
            ),
        }
    };
    integrations.into_iter().map(finding).collect()
}

/// Checks that the files of a service are private to its user.
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
            let message = format!("{path} has mode {mode:o}, which lets others read it");
            return Finding::wrong(check, message, format!("chmod 700 {path}"));
        }
    }
    Finding::ok(check, format!("{} is private to this user", service.directory().display()))
}

fn check_store(service: &Service) -> Finding {
    let check = "store";
    let name = plain(service.name());
    let read = Reader::open(service.directory());
    match read.and_then(|store| store.map(|store| store.summary(&CallFilter::default())).transpose()) {
        Ok(None) => Finding::note(check, format!("{name} has stored no call yet"), ""),
        Ok(Some(summary)) => {
            let since = summary.ended.map(|(first, _)| format!(" since {}", format_local(first)));
            let (calls, since) = (format_count(summary.total()), since.unwrap_or_default());
            let usage = service.store_limits().and_then(|limits| limits.usage_in(service.directory()));
            let size = usage.map(|usage| format!(" in {}", usage_text(usage))).unwrap_or_default();
            let message = format!("{name} has {calls} calls{since}{size}");
            match usage.is_some_and(|usage| usage.is_in_memory) {
                true => {
                    Finding::note(check, message, "a reboot removes it; set SOUNDPOST_DIRECTORY to a disk")
                }
                false => Finding::ok(check, message),
            }
        }
        Err(error) => {
            let advice = if error.is_newer() { NEWER_ADVICE } else { DAMAGED_ADVICE };
            Finding::wrong(check, error.to_string(), advice)
        }
    }
}

fn check_endpoint(name: &str, address: &str) -> Finding {
    let check = "endpoint";
    match ask_health(address) {
        Ok(answer) if answer.starts_with("HTTP/1.1 200") => {
            Finding::ok(check, format!("http://{address}/healthz of {name} answers"))
        }
        Ok(answer) if answer.starts_with("HTTP/1.1 503") => {
            let message = format!("http://{address}/healthz of {name} reports that the service is unusable");
            let advice = "restart the service: a process does not recover from a CUDA error that poisons it";
            Finding::wrong(check, message, advice)
        }
        // TLS, for example.
        Ok(_) => Finding::note(check, format!("{address} of {name} answers, but not in plain HTTP"), ""),
        Err(error) => {
            let advice = "check the log of the service, and firewalls between the network namespaces";
            Finding::wrong(check, format!("{address} of {name} does not answer: {error}"), advice)
        }
    }
}

fn ask_health(address: &str) -> io::Result<String> {
    let address: SocketAddr =
        address.parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "not an address"))?;
    let mut stream = TcpStream::connect_timeout(&reachable(address), ANSWER_TIMEOUT)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut head = [0; 64];
    let length = stream.read(&mut head)?;
    Ok(String::from_utf8_lossy(&head[..length]).into_owned())
}

/// Replaces an unspecified address by that of this machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// Checks whether a new service could listen.
fn check_port(listen: SocketAddr, served: &[String]) -> Option<Finding> {
    let check = "port";
    if served.iter().any(|address| *address == listen.to_string()) {
        return None;
    }
    Some(match TcpListener::bind(listen) {
        Ok(_) => Finding::ok(check, format!("{listen} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let find = format!("find it by ss -ltnp 'sport = :{}'", listen.port());
            let advice = format!("{find}, or set SOUNDPOST_LISTEN to another port");
            Finding::wrong(check, format!("{listen} is in use by another program"), advice)
        }
        Err(error) => {
            let advice = "set SOUNDPOST_LISTEN to an address of this machine and a port above 1023";
            Finding::wrong(check, format!("{listen} cannot be bound: {error}"), advice)
        }
    })
}

fn free(directory: &Path) -> Option<u64> {
    let stat = statvfs(directory).ok()?;
    // The size of `c_ulong` depends on the machine.
    #[allow(clippy::unnecessary_cast)]
    Some(stat.blocks_available() as u64 * stat.fragment_size() as u64)
}
