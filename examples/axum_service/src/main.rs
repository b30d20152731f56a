//! A text-to-speech service on axum and eSpeak NG, instrumented with Soundpost.
//!
//! `axum-service [PORT [METRICS_PORT]]`: speech on the first, `/metrics` on the second, both on loopback.

mod engine;
mod http;
mod speech;
mod wav;

use std::error::Error;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;

use crate::engine::Engine;
use crate::speech::Speech;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("axum-service: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut ports = std::env::args().skip(1).map(|port| port.parse::<u16>());
    let port = ports.next().transpose()?.unwrap_or(8000);
    let metrics_port = ports.next().transpose()?.unwrap_or(9464);

    let telemetry = soundpost::Telemetry::builder("axum-tts")
        .version(env!("CARGO_PKG_VERSION"))
        .listen((Ipv4Addr::LOCALHOST, metrics_port))
        .start()?;
    let speech = Arc::new(Speech::new(&telemetry, Engine::load()?)?);

    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        axum::serve(listener, http::routes(speech)).with_graceful_shutdown(interrupt()).await
    })?;
    Ok(())
}

async fn interrupt() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        eprintln!("cannot listen for Ctrl-C: {error}");
        std::future::pending().await
    }
}
