//! Tests of agents: they take over, outlive the service, and expose its last state.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use soundpost::sink::SinkProblem;
use soundpost_testkit::{Reply, Server};

use crate::common::{Directory, get, samples, until, value};
use crate::{CANARY, DIED, IN_FLIGHT, OK, UP, Worker, free_port, scraped, shared_folder};

#[test]
fn agent_takes_over_and_outlives_the_service() {
    let directory = Directory::new();
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let mut service = Worker::start(&directory, port);
    service.tell("call");
    assert!(service.is_reporter());
    let mut agent = Worker::start_as("agent", &directory, port);
    let started = Instant::now();
    until("the agent reports", || agent.is_reporter());
    assert!(!service.is_reporter());
    assert!(started.elapsed() < Duration::from_secs(2), "handed over after {:?}", started.elapsed());
    let text = scraped(&address, UP, 1.0);
    assert_eq!(value(&text, OK), Some(1.0));
    assert_eq!(samples(&text, "workers_build_info").len(), 1, "the agent's is none of the service's");
    // A single process has no process label.
    until("the process is sampled", || {
        samples(&get(&address, "/metrics", "").1, "workers_process_resident_memory_bytes").len() == 1
    });

    // The service is killed during a call, and its last state stays exposed.
    service.tell("begin");
    scraped(&address, IN_FLIGHT, 1.0);
    service.kill();
    let text = scraped(&address, DIED, 1.0);
    assert_eq!((value(&text, UP), value(&text, OK)), (Some(0.0), Some(1.0)));
    until("no process is sampled", || {
        samples(&get(&address, "/metrics", "").1, "workers_process_resident_memory_bytes").is_empty()
    });

    // Its next start continues from there without becoming the reporter.
    let mut service = Worker::start(&directory, port);
    service.tell("call");
    scraped(&address, UP, 1.0);
    let text = scraped(&address, OK, 2.0);
    assert_eq!(value(&text, DIED), Some(1.0));
    assert!(!service.is_reporter());

    // The agent is killed, and the service takes over.
    agent.kill();
    until("the service reports", || service.is_reporter());
    assert_eq!(value(&scraped(&address, OK, 2.0), UP), Some(1.0));
    service.end();
}

#[test]
fn readiness_is_that_of_the_service_and_not_of_its_agent() {
    let directory = Directory::new();
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let status = |path: &str| get(&address, path, "").0[..12].to_owned();
    let agent = Worker::start_as("agent", &directory, port);
    until("the agent serves", || std::net::TcpStream::connect(&address).is_ok());
    assert_eq!(["/healthz", "/readyz"].map(status), ["HTTP/1.1 200", "HTTP/1.1 503"]);
    assert_eq!(
        get(&address, "/readyz", "").1,
        "{\"status\":\"not ready\",\"reason\":\"no process of the service is up and loaded\"}\n"
    );
    let mut service = Worker::start(&directory, port);
    let mut other = Worker::start(&directory, port);
    until("the service is up", || status("/readyz") == "HTTP/1.1 200");
    other.tell("load");
    assert_eq!(status("/readyz"), "HTTP/1.1 200", "one loaded process is enough");
    service.tell("load");
    assert_eq!(status("/readyz"), "HTTP/1.1 503");
    service.tell("loaded");
    other.end();
    assert_eq!(status("/readyz"), "HTTP/1.1 200", "one process is enough");
    service.kill();
    assert_eq!(["/healthz", "/readyz"].map(status), ["HTTP/1.1 200", "HTTP/1.1 503"]);
    agent.end();
}

#[test]
fn agent_exposes_a_run_until_the_next_begins() {
    let directory = Directory::new();
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let mut agent = Worker::start_as("agent", &directory, port);
    assert!(agent.is_reporter());
    scraped(&address, UP, 0.0);
    let mut service = Worker::start(&directory, port);
    service.tell("call");
    scraped(&address, OK, 1.0);
    let leaving = Instant::now();
    service.end();
    assert!(
        leaving.elapsed() < Duration::from_secs(1),
        "nobody waits for the agent: {:?}",
        leaving.elapsed()
    );
    let text = scraped(&address, UP, 0.0);
    assert_eq!(value(&text, OK), Some(1.0), "the last state");
    let mut service = Worker::start(&directory, port);
    scraped(&address, UP, 1.0);
    until("the run is over", || samples(&get(&address, "/metrics", "").1, OK).is_empty());
    service.tell("call");
    scraped(&address, OK, 1.0);
    service.end();
    agent.end();
    assert_eq!(shared_folder(&directory), None, "nothing of a run that ended in good order");
}

#[test]
fn ending_agent_keeps_the_state_of_a_crash() {
    let directory = Directory::new();
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let agent = Worker::start_as("agent", &directory, port);
    let mut service = Worker::start(&directory, port);
    service.tell("call");
    service.tell("begin");
    scraped(&address, IN_FLIGHT, 1.0);
    service.kill();
    scraped(&address, DIED, 1.0);
    agent.end();
    let service = Worker::start(&directory, port);
    let text = scraped(&address, UP, 1.0);
    assert_eq!((value(&text, OK), value(&text, DIED)), (Some(1.0), Some(1.0)));
    service.end();
}

#[test]
fn service_has_one_agent_and_its_own_prefix() {
    let directory = Directory::new();
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let agent = Worker::start_as("agent", &directory, port);
    let answer = Worker::attempt("agent", &directory, port).answer();
    assert!(answer.contains(&format!("has one already (process {})", agent.child.id())), "{answer}");
    let mut service = Worker::start_as("renamed", &directory, port);
    service.tell("begin");
    scraped(&address, &IN_FLIGHT.replace("workers_", "renamed_"), 1.0);
    service.kill();
    let died = DIED.replace("workers_", "renamed_");
    let text = scraped(&address, &died, 1.0);
    assert_eq!(value(&text, "renamed_up"), Some(0.0));
    agent.end();
}

/// Flag of a service whose agent does not ship to one of its sinks.
const NOT_SHIPPED: &str = r#"workers_unhealthy{reason="sink_not_shipped"}"#;

fn lines(directory: &Directory, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(directory.path().join(name)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn agent_ships_to_sinks_that_code_names() {
    let directory = Directory::new();
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let agent = Worker::start_as("agent", &directory, port);
    let mut service = Worker::start_as("shipping", &directory, port);
    service.tell("call");
    until("the agent ships", || lines(&directory, "lines").len() == 2);
    assert!(!service.is_reporter());
    assert_eq!(value(&scraped(&address, DELIVERED, 2.0), NOT_SHIPPED).unwrap_or_default(), 0.0);

    // The records of a crash are shipped while no process of the service is left.
    service.tell("begin");
    scraped(&address, IN_FLIGHT, 1.0);
    service.kill();
    until("the agent ships the rest", || lines(&directory, "lines").len() == 3);
    assert!(lines(&directory, "lines")[2].contains("\"outcome\":\"died\""));

    // The next start names another sink.
    let mut service = Worker::start_as("shipping elsewhere", &directory, port);
    until("the agent has read it", || {
        service.tell("call");
        !lines(&directory, "other lines").is_empty()
    });
    assert_eq!(lines(&directory, "lines").len(), 3);

    // A service that reports for itself ships as before.
    agent.kill();
    until("the service reports", || service.is_reporter());
    let before = lines(&directory, "other lines").len();
    service.tell("call");
    until("the service ships", || lines(&directory, "other lines").len() > before);
    service.end();
}

const DELIVERED: &str = r#"soundpost_sink_delivered_total{sink="jsonl"}"#;

#[test]
fn secret_in_code_is_not_written_and_its_sink_waits() {
    let directory = Directory::new();
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let received = Arc::new(AtomicUsize::new(0));
    let counter = received.clone();
    let server = Server::start(move |request| {
        assert_eq!(request.header("authorization"), format!("Bearer {CANARY}"));
        counter.fetch_add(1, Ordering::AcqRel);
        Reply::status(204)
    });
    std::fs::write(directory.path().join("url"), format!("http://{}", server.address)).unwrap();
    let mut agent = Worker::start_as("agent", &directory, port);
    let mut service = Worker::start_as("secret in code", &directory, port);
    service.tell("call");
    let text = scraped(&address, NOT_SHIPPED, 1.0);
    assert_eq!(value(&text, r#"workers_unhealthy{reason="sink_misconfigured"}"#), Some(1.0));
    scraped(&address, r#"soundpost_sink_pending{sink="loki"}"#, 2.0);
    for notices in [service.tell("notices"), agent.tell("notices")] {
        assert!(notices.contains("token_file or token_env") && notices.contains("sink loki"), "{notices}");
    }
    let problems = SinkProblem::all(&directory.path().join("workers"));
    assert!(problems[0].misconfigured && problems[0].why.contains("token_file or token_env"), "{problems:?}");
    for entry in std::fs::read_dir(directory.path().join("workers")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap_or_default();
        assert!(!bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()));
    }
    assert_eq!(received.load(Ordering::Acquire), 0);

    // The operator names a file. The record that waited is shipped, too.
    service.end();
    std::fs::write(directory.path().join("token"), CANARY).unwrap();
    let mut service = Worker::start_as("secret in a file", &directory, port);
    service.tell("call");
    let text = scraped(&address, r#"soundpost_sink_delivered_total{sink="loki"}"#, 4.0);
    assert_eq!(value(&text, NOT_SHIPPED).unwrap_or_default(), 0.0);
    assert!(received.load(Ordering::Acquire) > 0);
    service.end();
    agent.end();
}

#[test]
fn processes_with_other_sinks_are_noticed_and_the_last_counts() {
    let directory = Directory::new();
    let port = free_port();
    let agent = Worker::start_as("agent", &directory, port);
    let mut first = Worker::start_as("shipping", &directory, port);
    let mut same = Worker::start_as("shipping", &directory, port);
    let mut other = Worker::start_as("shipping elsewhere", &directory, port);
    let notice = "another process of the service has other sinks";
    let notices = [&mut first, &mut same, &mut other].map(|process| process.tell("notices").contains(notice));
    assert_eq!(notices, [false, false, true]);
    until("the agent has read it", || {
        first.tell("call");
        !lines(&directory, "other lines").is_empty()
    });
    [first, same, other].into_iter().for_each(Worker::end);
    agent.end();
}

#[test]
fn own_sink_of_an_agent_precedes_that_of_the_service() {
    let directory = Directory::new();
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let agent = Worker::start_as("shipping agent", &directory, port);
    let mut service = Worker::start_as("shipping", &directory, port);
    service.tell("call");
    let text = scraped(&address, DELIVERED, 2.0);
    assert_eq!(value(&text, NOT_SHIPPED).unwrap_or_default(), 0.0);
    assert_eq!(lines(&directory, "lines").len(), 2);
    service.end();
    agent.end();
}
