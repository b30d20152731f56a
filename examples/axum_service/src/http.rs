//! HTTP routes: `POST /v1/tts` returns a WAV file, `POST /v1/tts/stream` streams one during synthesis.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{StreamExt, once};

use crate::engine::{EngineError, Voice};
use crate::speech::Speech;
use crate::wav;

const PIECES_AHEAD: usize = 16; // maximum lead of the engine over a client: about one second of audio

pub(crate) fn routes(speech: Arc<Speech>) -> Router {
    Router::new()
        .route("/voices", get(voices))
        .route("/v1/tts", post(tts))
        .route("/v1/tts/stream", post(tts_stream))
        .with_state(speech)
}

#[derive(serde::Deserialize)]
struct Request {
    text: String,
    #[serde(default = "default_voice")]
    voice: String,
}

fn default_voice() -> String {
    "en-us".to_owned()
}

async fn voices(State(speech): State<Arc<Speech>>) -> Json<Vec<Voice>> {
    Json(speech.engine().voices().values().cloned().collect())
}

async fn tts(State(speech): State<Arc<Speech>>, Json(request): Json<Request>) -> Result<Response, Failure> {
    let rate = speech.engine().sample_rate();
    let pcm = task::spawn_blocking(move || speech.synthesize(&request.text, &request.voice)).await??;
    if pcm.is_empty() {
        return Err(Failure::Empty);
    }
    let mut file = wav::header(rate, u32::try_from(pcm.len()).ok());
    file.extend_from_slice(&pcm);
    Ok(audio(file.into()))
}

async fn tts_stream(
    State(speech): State<Arc<Speech>>,
    Json(request): Json<Request>,
) -> Result<Response, Failure> {
    let header = Bytes::from(wav::header(speech.engine().sample_rate(), None));
    let (engine, mut client) = mpsc::channel(PIECES_AHEAD);
    task::spawn_blocking(move || speech.synthesize_stream(&request.text, &request.voice, &engine));
    // The first piece decides the status: a response that has begun cannot report an error.
    let first = client.recv().await.ok_or(Failure::Empty)??;
    let pieces = once(Ok(header)).chain(once(Ok(first))).chain(ReceiverStream::new(client));
    Ok(audio(Body::from_stream(pieces)))
}

fn audio(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "audio/wav")], body).into_response()
}

/// Reason for a response without audio.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("there is nothing to speak in this text")]
    Empty,
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the engine stopped in the middle")]
    Panic(#[from] task::JoinError),
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Empty => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Engine(EngineError::UnknownVoice(_)) => StatusCode::BAD_REQUEST,
            Self::Engine(_) | Self::Panic(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(serde_json::json!({ "detail": self.to_string() }))).into_response()
    }
}
