"""A service with a model of its own: ``uvicorn fastapi_service:app``.

``curl --no-buffer --json '{"question": "Why is the sky blue?"}' http://127.0.0.1:8000/ask``
The variable MODEL names another model than smollm2:135m.
"""

import json
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel

import ramalama
from ramalama_chat import AsyncAnswer


class State(TypedDict):
    """What lives as long as the service."""

    server: ramalama.ModelServer


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncGenerator[State]:
    """Start the model with the service, and remove its container with it."""
    async with ramalama.aserve(os.environ.get("MODEL", "smollm2:135m")) as server:
        yield {"server": server}


app = FastAPI(lifespan=lifespan)


class Asked(BaseModel):
    """The body of a request."""

    question: str


@app.post("/ask")
async def ask(asked: Asked, request: Request) -> StreamingResponse:
    """Stream the answer as server-sent events."""
    server: ramalama.ModelServer = request.state.server
    answer = server.achat().ask(asked.question, max_tokens=256, timeout=120)
    # The status of the response is sent with its first byte. So the model begins before that: what
    # goes wrong until then is an exception, for which the handlers below choose the status.
    await answer.begin()
    return StreamingResponse(events(answer), media_type="text/event-stream")


async def events(answer: AsyncAnswer[None]) -> AsyncIterator[str]:
    """Yield an event for each piece of the answer, and one that says how it ended."""
    async with answer:  # a client that leaves frees the model for the next question
        try:
            async for piece in answer:
                yield event("text", piece)
            yield event("end", answer.finish_reason)
        except ramalama.ChatError as exc:
            yield event("error", str(exc))


def event(name: str, data: object) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


@app.exception_handler(ramalama.ContextExceeded)
async def too_long(_request: Request, exc: ramalama.ContextExceeded) -> JSONResponse:
    content = {"error": str(exc), "tokens": exc.needed, "most": exc.held}
    return JSONResponse(content, status_code=413)


@app.exception_handler(ramalama.ServerGone)
async def gone(_request: Request, exc: ramalama.ServerGone) -> JSONResponse:
    return JSONResponse({"error": str(exc)}, status_code=503, headers={"Retry-After": "5"})


@app.exception_handler(ramalama.ChatError)
async def failed(_request: Request, exc: ramalama.ChatError) -> JSONResponse:
    return JSONResponse({"error": str(exc)}, status_code=502)
