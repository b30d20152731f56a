//! Tests that secrets appear nowhere.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use soundpost::sink::{Graylog, InfluxDb, Loki};

use crate::common::{Directory, Ending, until};
use crate::state::{record, service};
use soundpost_testkit::{Reply, Server};

const CANARY: &str = "canary-5ecre7";
/// `user:canary-5ecre7` in base 64.
const BASIC: &str = "dXNlcjpjYW5hcnktNWVjcmU3";

/// The variable with the secret.
const VARIABLE: &str = "SOUNDPOST_TEST_CANARY";

/// Returns whether a text contains one of the secrets.
fn tells(text: &str) -> bool {
    text.contains(CANARY) || text.contains(BASIC)
}

/// Returns the files below a directory that contain one of the secrets.
fn found_in(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(found_in(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            let holds = |secret: &str| bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            if holds(CANARY) || holds(BASIC) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[test]
fn secrets_appear_nowhere() {
    if std::env::var_os(VARIABLE).is_some() {
        return in_a_service();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "secrets::secrets_appear_nowhere", "--nocapture"]);
    let output = command.env(VARIABLE, CANARY).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && !tells(&said), "{said}");
}

fn in_a_service() {
    let directory = Directory::new();
    // Servers that echo their requests.
    let server = Server::start(|request| {
        let said = format!("{} with {}", request.header("authorization"), request.target);
        match request.target.as_str() {
            "/loki/api/v1/push" => Reply::said(500, &said),
            "/gelf" => Reply::said(400, &said),
            _ => Reply::said(401, &said),
        }
    });
    let address = server.address;
    let token = directory.path().join("token");
    fs::write(&token, CANARY).unwrap();
    let wait = Duration::from_millis(20);
    let sinks = [
        InfluxDb::new(&format!("http://{address}"))
            .unwrap()
            .database("d")
            .token(CANARY)
            .longest_wait(wait)
            .into(),
        InfluxDb::new(&format!("http://{address}"))
            .unwrap()
            .name("file")
            .database("d")
            .token_file(&token)
            .into(),
        InfluxDb::new(&format!("http://{address}"))
            .unwrap()
            .name("variable")
            .database("d")
            .token_env(VARIABLE)
            .into(),
        Loki::new(&format!("http://user:{CANARY}@{address}")).unwrap().longest_wait(wait).into(),
        Graylog::new(&format!("http://user:{CANARY}@{address}")).unwrap().longest_wait(wait).into(),
    ]
    .map(|sink: soundpost::sink::Sink| sink);
    let shown = format!("{sinks:?} {sinks:#?} {}", sinks[0]);
    let mut builder = service(&directory, "secrets");
    for sink in sinks {
        builder = builder.sink(sink);
    }
    let telemetry = builder.start().unwrap();
    let _ending = Ending(telemetry.clone());
    record(&telemetry, "r", 20);
    let notices = || -> Vec<_> { telemetry.notices(0).into_iter().map(|notice| notice.message).collect() };
    let about = |what: &str| notices().iter().any(|notice| notice.contains(what));
    until("all of them have said what is wrong", || {
        about("sink influxdb")
            && about("sink file")
            && about("sink variable")
            && about("sink loki")
            && about("sink graylog")
    });
    assert!(about("***"), "{:?}", notices());
    telemetry.flush(Duration::from_secs(10));
    let all = format!("{shown} {:?} {} {}", notices(), telemetry.render(), telemetry.render_openmetrics());
    assert!(!tells(&all), "{all}");
    fs::remove_file(&token).unwrap();
    assert_eq!(found_in(directory.path()), [""; 0]);
}
