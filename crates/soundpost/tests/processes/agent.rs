//! Tests of agents: they take over, outlive the service, and expose its last state.

use std::time::{Duration, Instant};

use crate::common::{Directory, get, samples, until, value};
use crate::{DIED, IN_FLIGHT, OK, UP, Worker, free_port, scraped, shared_folder};

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
        "{\"status\":\"not ready\",\"reason\":\"no process of the service is up\"}\n"
    );
    let service = Worker::start(&directory, port);
    let other = Worker::start(&directory, port);
    until("the service is up", || status("/readyz") == "HTTP/1.1 200");
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

#[test]
fn sink_without_a_counterpart_at_the_agent_is_flagged() {
    let flag = r#"workers_unhealthy{reason="sink_not_shipped"}"#;
    let directory = Directory::new();
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let agent = Worker::start_as("agent", &directory, port);
    let mut service = Worker::start_as("shipping", &directory, port);
    scraped(&address, flag, 1.0);
    agent.kill();
    until("the service ships for itself", || service.is_reporter());
    scraped(&address, flag, 0.0);
    service.tell("call");
    let delivered = r#"soundpost_sink_delivered_total{sink="jsonl"}"#;
    scraped(&address, delivered, 1.0);

    let mut agent = Worker::start_as("shipping agent", &directory, port);
    until("the agent reports", || agent.is_reporter());
    let mut other = Worker::start_as("shipping", &directory, port);
    other.tell("call");
    let text = scraped(&address, delivered, 2.0);
    assert_eq!(value(&text, flag), Some(0.0));
    other.end();
    service.end();
    agent.end();
}
