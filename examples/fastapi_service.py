"""A service with a model of its own.

``MODEL=smollm2:135m uvicorn fastapi_service:app``, and then
``curl --no-buffer --json '{"question": "Why is the sky blue?"}' http://127.0.0.1:8000/ask``
"""

import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

import ramalama


class State(TypedDict):
    """What lives as long as the service."""

    server: ramalama.ModelServer


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncGenerator[State]:
    """Start the model with the service, and remove its container with it."""
    async with ramalama.aserve(os.environ["MODEL"]) as server:
        yield {"server": server}


app = FastAPI(lifespan=lifespan)


class Asked(BaseModel):
    """The body of a request."""

    question: str


@app.post("/ask")
async def ask(asked: Asked, request: Request) -> StreamingResponse:
    """Stream the answer as plain text."""
    return StreamingResponse(words(request.state.server, asked.question), media_type="text/plain")


async def words(server: ramalama.ModelServer, question: str) -> AsyncIterator[str]:
    """Yield the answer as it comes; a client that leaves ends it."""
    stream = await server.async_client().chat.completions.create(
        model=server.model,
        messages=[{"role": "user", "content": question}],
        max_tokens=256,
        stream=True,
    )
    async with stream:
        async for chunk in stream:
            if chunk.choices and (text := chunk.choices[0].delta.content):
                yield text
