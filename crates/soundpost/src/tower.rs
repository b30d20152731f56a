//! A `tower` layer, also a middleware of axum, that records each HTTP request as a call.
//!
//! ```
//! # use soundpost::tower::CallLayer;
//! # fn layer(telemetry: &soundpost::Telemetry) -> CallLayer {
//! // let router = axum::Router::new().route("/v1/tts", post(tts)).layer(layer);
//! CallLayer::new(telemetry.operation("request"))
//! # }
//! ```
//!
//! The call is the current one while the handler and the body of its response are polled, so that log events have its
//! id, and functions with `#[instrument]` are its stages. Its id is that of the header `x-request-id`, else of
//! `traceparent`, else generated.

mod body;
mod service;

pub use body::CallBody;
pub use service::{CallLayer, CallService, ResponseFuture};
