//! Tests of `#[soundpost::instrument]` on every kind of function. The attribute records to the first telemetry of the
//! process.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::fmt;
use std::sync::LazyLock;

use common::{Directory, value};
use soundpost::Telemetry;

static TELEMETRY: LazyLock<Telemetry> = LazyLock::new(|| {
    let directory = Directory::new();
    let telemetry = directory.serving("macros").listen(None).start().unwrap();
    // The process ends with the test, so the files are removed here.
    telemetry
});

fn total(operation: &str, labels: &str, outcome: &str) -> f64 {
    let status = match outcome {
        "ok" => "success",
        "cancelled" | "abandoned" => "cancelled",
        _ => "error",
    };
    let sample = format!(
        r#"macros_request_total{{{labels}operation="{operation}",outcome="{outcome}",status="{status}"}}"#
    );
    value(&TELEMETRY.render(), &sample).unwrap_or(0.0)
}

#[derive(Debug)]
struct Failed(std::io::Error);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("generation failed")
    }
}

impl std::error::Error for Failed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[soundpost::instrument(labels(emotion), fields(char_count = text.len()))]
fn plain(text: &str, emotion: &str) -> usize {
    assert!(soundpost::current_call().is_some_and(|call| ["plain", "outer"].contains(&call.operation())));
    text.len()
}

#[soundpost::instrument(operation = "result", labels(kind = ok.to_string()))]
fn result(ok: bool, message: &str) -> Result<u32, Failed> {
    if ok { Ok(1) } else { Err(Failed(std::io::Error::other(message.to_owned()))) }
}

#[soundpost::instrument]
fn text_error() -> Result<(), String> {
    Err("CUDA out of memory. Tried to allocate 2.00 GiB".to_owned())
}

#[soundpost::instrument]
async fn waits(times: u32) -> u32 {
    for _ in 0..times {
        assert_eq!(soundpost::current_call().unwrap().operation(), "waits");
        tokio::task::yield_now().await;
    }
    times
}

#[soundpost::instrument]
async fn outer() -> usize {
    inner().await + plain("abc", "inside")
}

#[soundpost::instrument(operation = "inner")]
async fn inner() -> usize {
    tokio::task::yield_now().await;
    1
}

#[soundpost::instrument]
fn panics() {
    panic!("as a test may");
}

struct Engine {
    rate: u32,
}

impl Engine {
    #[soundpost::instrument(operation = "method", labels(hertz = self.rate))]
    fn synthesize(&mut self, text: &str) -> impl Iterator<Item = u8> + use<> {
        self.rate += 1;
        text.bytes().collect::<Vec<_>>().into_iter()
    }

    #[soundpost::instrument(operation = "borrowed")]
    async fn borrowed<'a>(&'a self, text: &'a str) -> &'a str {
        tokio::task::yield_now().await;
        text
    }
}

#[test]
fn functions_are_calls() {
    LazyLock::force(&TELEMETRY);
    assert_eq!(plain("text", "neutral"), 4);
    assert_eq!(total("plain", r#"emotion="neutral","#, "ok"), 1.0);
    let characters = r#"macros_characters_total{emotion="neutral",operation="plain"}"#;
    assert_eq!(value(&TELEMETRY.render(), characters), Some(4.0));
}

#[test]
fn results_decide_the_outcome() {
    LazyLock::force(&TELEMETRY);
    assert!(result(true, "").is_ok());
    assert!(result(false, "plain failure").is_err());
    assert!(result(false, "CUDA error: an illegal memory access was encountered").is_err());
    assert!(text_error().is_err());
    assert_eq!(total("result", r#"kind="true","#, "ok"), 1.0);
    assert_eq!(total("result", r#"kind="false","#, "error"), 1.0);
    assert_eq!(total("result", r#"kind="false","#, "poisoned"), 1.0, "the cause is looked at");
    assert_eq!(total("text_error", "", "oom"), 1.0);
}

#[test]
fn unwinding_is_an_error() {
    LazyLock::force(&TELEMETRY);
    assert!(std::panic::catch_unwind(panics).is_err());
    assert_eq!(total("panics", "", "error"), 1.0);
    assert!(soundpost::current_call().is_none());
}

#[tokio::test]
async fn futures_are_calls_and_dropped_ones_are_cancelled() {
    LazyLock::force(&TELEMETRY);
    assert_eq!(waits(3).await, 3);
    assert_eq!(total("waits", "", "ok"), 1.0);
    let mut half_way = Box::pin(waits(1000));
    let polled =
        std::future::poll_fn(|context| std::task::Poll::Ready(half_way.as_mut().poll(context))).await;
    assert!(polled.is_pending());
    drop(half_way);
    assert_eq!(total("waits", "", "cancelled"), 1.0);
    // A future that was never polled has no call.
    drop(waits(1));
    assert_eq!(total("waits", "", "cancelled"), 1.0);
}

#[tokio::test]
async fn nested_calls_are_stages() {
    LazyLock::force(&TELEMETRY);
    assert_eq!(outer().await, 4);
    assert_eq!(total("outer", "", "ok"), 1.0);
    assert_eq!(total("inner", "", "ok"), 0.0);
    let text = TELEMETRY.render();
    for stage in ["inner", "plain"] {
        let sample = format!(r#"macros_stage_duration_seconds_count{{operation="outer",stage="{stage}"}}"#);
        assert_eq!(value(&text, &sample), Some(1.0), "{sample}");
    }
}

#[tokio::test]
async fn methods_keep_their_shape() {
    LazyLock::force(&TELEMETRY);
    let mut engine = Engine { rate: 22050 };
    assert_eq!(engine.synthesize("ab").count(), 2);
    assert_eq!(engine.borrowed("text").await, "text");
    assert_eq!(total("method", r#"hertz="22050","#, "ok"), 1.0);
    assert_eq!(total("borrowed", "", "ok"), 1.0);
}
