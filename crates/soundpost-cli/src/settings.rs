//! What a reporter is told, from options and `SOUNDPOST_*` variables, as `soundpost.init` reads them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use soundpost::{Builder, Telemetry};

use crate::arguments::{Listen, Reporting};
use crate::failure::Failure;
use crate::output::parse_duration;

/// Where `/metrics` is served if nothing is said.
const LISTEN: &str = "127.0.0.1:9464";

/// A variable that is set to something.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A value and where it comes from.
fn given(option: Option<String>, flag: &'static str, name: &'static str) -> Option<(String, &'static str)> {
    option.map(|value| (value, flag)).or_else(|| Some((variable(name)?, name)))
}

fn wrong(source: &str, message: &str) -> Failure {
    Failure::Usage(format!("{source}: {message}"))
}

/// Where to serve; `None`: nowhere.
///
/// # Errors
/// When it is no address.
pub(crate) fn listen(listen: &Listen) -> Result<Option<SocketAddr>, Failure> {
    // For the Python side, a variable that is set to nothing means no endpoint.
    if listen.listen.is_none() && std::env::var_os("SOUNDPOST_LISTEN").is_some_and(|value| value.is_empty()) {
        return Ok(None);
    }
    let (text, source) = given(listen.listen.clone(), "--listen", "SOUNDPOST_LISTEN")
        .unwrap_or_else(|| (LISTEN.to_owned(), "--listen"));
    if ["none", "off"].contains(&text.trim().to_ascii_lowercase().as_str()) {
        return Ok(None);
    }
    let address = text.trim().replacen("localhost", "127.0.0.1", 1);
    address.parse().map(Some).map_err(|_| {
        wrong(source, &format!("{text:?} is no address; use host:port such as 127.0.0.1:9464, or none"))
    })
}

/// A builder of the agent of a service.
///
/// # Errors
/// When an option or a variable cannot be used; the message names it.
pub(crate) fn agent(service: &str, directory: &Path, reporting: &Reporting) -> Result<Builder, Failure> {
    let mut builder = Telemetry::builder(service).directory(directory).agent();
    builder = match listen(&reporting.listen)? {
        Some(address) => builder.listen(address),
        None => builder.no_listen(),
    };
    if let Some(namespace) = &reporting.namespace {
        builder = builder.namespace(namespace);
    }
    for (name, value) in labels(reporting)? {
        builder = builder.label(name, value);
    }
    if let Some(interval) = sample_interval(reporting)? {
        builder = builder.sample_interval(interval);
    }
    builder = kept(glancing(builder)?)?;
    builder = match gpus(reporting.gpu.clone())? {
        Gpus::Visible => builder,
        Gpus::All => builder.all_gpus(),
        Gpus::None => builder.without_gpus(),
    };
    let (token, basic) = (token(reporting)?, variable("SOUNDPOST_BASIC_AUTH"));
    builder = match (token, basic) {
        (Some(_), Some(_)) => return Err(wrong("SOUNDPOST_BASIC_AUTH", "a bearer token is given as well")),
        (Some(token), None) => builder.bearer_token(token),
        (None, Some(basic)) => match basic.split_once(':') {
            Some((user, password)) if !user.is_empty() && !password.is_empty() => {
                builder.basic_auth(user, password)
            }
            // It is a secret: it is not shown.
            _ => return Err(wrong("SOUNDPOST_BASIC_AUTH", "use user:password, with both of them")),
        },
        (None, None) => builder,
    };
    let path = |option: &Option<PathBuf>, name| option.clone().or_else(|| variable(name).map(PathBuf::from));
    match (path(&reporting.tls_cert, "SOUNDPOST_TLS_CERT"), path(&reporting.tls_key, "SOUNDPOST_TLS_KEY")) {
        (Some(certificate), Some(key)) => Ok(builder.tls(certificate, key)),
        (None, None) => Ok(builder),
        _ => Err(wrong("--tls-cert, --tls-key", "a certificate and its key go together; give both or none")),
    }
}

fn labels(reporting: &Reporting) -> Result<Vec<(String, String)>, Failure> {
    let (texts, source) = match variable("SOUNDPOST_LABELS").filter(|_| reporting.labels.is_empty()) {
        Some(text) => (text.split(',').map(str::to_owned).collect(), "SOUNDPOST_LABELS"),
        None => (reporting.labels.clone(), "--label"),
    };
    let pair = |text: &String| {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| wrong(source, &format!("{text:?} is no label; use name=value")))?;
        Ok((name.trim().to_owned(), value.trim().to_owned()))
    };
    texts.iter().filter(|text| !text.trim().is_empty()).map(pair).collect()
}

fn sample_interval(reporting: &Reporting) -> Result<Option<Duration>, Failure> {
    let name = "SOUNDPOST_SAMPLE_INTERVAL";
    let Some(text) = variable(name).filter(|_| reporting.sample_interval.is_none()) else {
        return Ok(reporting.sample_interval);
    };
    // Seconds, as everywhere else where it is a variable.
    let seconds = text.trim().parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let interval = seconds.or_else(|| parse_duration(&text).ok());
    interval.map(Some).ok_or_else(|| wrong(name, &format!("{text:?} is no number of seconds")))
}

/// How often GPU memory is looked at while calls run, as the variable says.
fn glancing(builder: Builder) -> Result<Builder, Failure> {
    let name = "SOUNDPOST_GPU_MEMORY_INTERVAL";
    if variable(name).is_some_and(|text| ["none", "off"].contains(&text.trim().to_ascii_lowercase().as_str()))
    {
        return Ok(builder.gpu_memory_interval(None));
    }
    let seconds = number(name, |seconds| seconds > 0.0)?;
    let interval = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Ok(interval.into_iter().fold(builder, Builder::gpu_memory_interval))
}

/// The store takes so much, whatever is asked for.
const LEAST_STORE_BYTES: f64 = (16 << 20) as f64;

/// What the store keeps, as the variables say.
fn kept(builder: Builder) -> Result<Builder, Failure> {
    let days = number("SOUNDPOST_STORE_DAYS", |days| days > 0.0)?;
    let age = days.and_then(|days| Duration::try_from_secs_f64(days * 86_400.0).ok());
    let bytes = number("SOUNDPOST_STORE_BYTES", |_| true)?;
    if let Some(bytes) = bytes.filter(|bytes| *bytes < LEAST_STORE_BYTES) {
        let message = format!("{bytes} is too little; the least is {LEAST_STORE_BYTES} (16 MiB)");
        return Err(wrong("SOUNDPOST_STORE_BYTES", &message));
    }
    let builder = age.into_iter().fold(builder, Builder::store_age);
    let builder = bytes.into_iter().fold(builder, |builder, bytes| builder.store_bytes(bytes as u64));
    match variable("SOUNDPOST_STORE").map(|text| truth(&text).ok_or(text)) {
        None | Some(Ok(true)) => Ok(builder),
        Some(Ok(false)) => Ok(builder.without_store()),
        Some(Err(text)) => Err(wrong("SOUNDPOST_STORE", &format!("{text:?} is neither true nor false"))),
    }
}

/// A number from a variable.
fn number(name: &'static str, holds: fn(f64) -> bool) -> Result<Option<f64>, Failure> {
    let Some(text) = variable(name) else { return Ok(None) };
    let number = text.trim().parse().ok().filter(|number: &f64| number.is_finite() && holds(*number));
    number.map(Some).ok_or_else(|| wrong(name, &format!("{text:?} is no such number")))
}

/// What a variable of two values says, as `soundpost.init` understands it.
fn truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

enum Gpus {
    Visible,
    All,
    None,
}

/// Whether the environment says that GPUs are not to be sampled.
pub(crate) fn is_without_gpus() -> Result<bool, Failure> {
    Ok(matches!(gpus(None)?, Gpus::None))
}

fn gpus(option: Option<String>) -> Result<Gpus, Failure> {
    let Some((text, source)) = given(option, "--gpu", "SOUNDPOST_GPU") else {
        return Ok(Gpus::Visible);
    };
    match (text.trim().to_ascii_lowercase().as_str(), truth(&text)) {
        ("visible", _) | (_, Some(true)) => Ok(Gpus::Visible),
        ("none", _) | (_, Some(false)) => Ok(Gpus::None),
        ("all", _) => Ok(Gpus::All),
        _ => Err(wrong(source, &format!("{text:?} is none of visible, all, none"))),
    }
}

fn token(reporting: &Reporting) -> Result<Option<String>, Failure> {
    let option = reporting.bearer_token_file.clone();
    let source = if option.is_some() { "--bearer-token-file" } else { "SOUNDPOST_BEARER_TOKEN_FILE" };
    let Some(path) = option.or_else(|| variable("SOUNDPOST_BEARER_TOKEN_FILE").map(PathBuf::from)) else {
        return Ok(variable("SOUNDPOST_BEARER_TOKEN"));
    };
    match std::fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => Ok(Some(text.trim().to_owned())),
        Ok(_) => Err(wrong(source, &format!("{} is empty", path.display()))),
        Err(error) => Err(wrong(source, &format!("{} cannot be read: {error}", path.display()))),
    }
}
