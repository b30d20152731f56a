"""HTTP routes: `POST /v1/tts` returns a WAV file, `POST /v1/tts/stream` streams one during synthesis."""

import logging
import os
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager

import anyio
from anyio import to_thread
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field
from starlette.types import Receive, Scope, Send

import soundpost
from tts_service import __version__, wav
from tts_service.engine import UnknownVoice, Voice
from tts_service.speech import engine, synthesize, synthesize_stream

# SOUNDPOST_LISTEN, set by `python -m tts_service`, is the endpoint's address. SOUNDPOST_SINKS lists the sinks. Every
# worker runs this line; one of them serves and ships for all.
soundpost.init(service="tts_demo", version=__version__, logs=True)
logging.getLogger("tts_service").setLevel(logging.INFO)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Shuts Soundpost down in time: uvicorn ends its process by the received signal, before Python's own exit."""
    yield
    soundpost.shutdown()


app = FastAPI(title="Text to speech", version=__version__, lifespan=lifespan)

# Requests wait for the engine in their own threads. In the pool that carries the pieces of the current text, enough
# waiting requests would leave it no thread to finish in.
waiting = anyio.CapacityLimiter(32)


class Speech(BaseModel):
    text: str = Field(max_length=10_000)
    voice: str = "en-us"


class AudioStream(StreamingResponse):
    """Closes its source when the response ends, also after a disconnect.

    Starlette leaves that to the garbage collector, and until then the engine would be busy for nobody.
    """

    def __init__(self, first: bytes, rest: Generator[bytes, None, None]) -> None:
        self.rest = rest
        # The worker's process id, for debugging and for tests that kill it.
        super().__init__(self._body(first), media_type="audio/wav", headers={"X-Worker": str(os.getpid())})

    async def _body(self, first: bytes) -> AsyncIterator[bytes]:
        yield wav.header(engine.sample_rate) + first
        while piece := await to_thread.run_sync(next, self.rest, b""):
            yield piece

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(self.rest.close)


@app.get("/voices")
async def voices() -> list[Voice]:
    return list(engine.voices.values())


@app.post("/v1/tts")
async def tts(speech: Speech) -> Response:
    pcm = await to_thread.run_sync(synthesize, speech.text, speech.voice, limiter=waiting)
    if not pcm:
        raise HTTPException(422, "there is nothing to speak in this text")
    return Response(wav.header(engine.sample_rate, len(pcm)) + pcm, media_type="audio/wav")


@app.post("/v1/tts/stream")
async def tts_stream(speech: Speech) -> Response:
    pieces = synthesize_stream(speech.text, speech.voice)
    # The first piece decides the status: a response that has begun cannot report an error.
    first = await to_thread.run_sync(next, pieces, b"", limiter=waiting)
    if not first:
        raise HTTPException(422, "there is nothing to speak in this text")
    return AudioStream(first, pieces)


@app.exception_handler(UnknownVoice)
async def unknown_voice(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, status_code=400)
