"""The same as fastapi_service.py with Starlette alone: ``uvicorn starlette_service:app``.

``curl --no-buffer --data 'Why is the sky blue?' http://127.0.0.1:8000/ask``
The variable MODEL names another model than smollm2:135m.
"""

import json
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

import ramalama
from ramalama_chat import AsyncAnswer


class State(TypedDict):
    """What lives as long as the service."""

    server: ramalama.ModelServer


@asynccontextmanager
async def lifespan(_app: Starlette) -> AsyncGenerator[State]:
    """Start the model with the service, and remove its container with it."""
    async with ramalama.aserve(os.environ.get("MODEL", "smollm2:135m")) as server:
        yield {"server": server}


async def ask(request: Request) -> StreamingResponse:
    """Stream the answer as lines of JSON; see fastapi_service.py for the why."""
    server: ramalama.ModelServer = request.state.server
    question = (await request.body()).decode(errors="replace")
    answer = server.achat().ask(question, max_tokens=256, timeout=120)
    await answer.begin()
    return StreamingResponse(lines(answer), media_type="application/x-ndjson")


async def lines(answer: AsyncAnswer[None]) -> AsyncIterator[str]:
    """Yield a line for each piece of the answer, and one that says how it ended."""
    async with answer:
        try:
            async for piece in answer:
                yield line(text=piece)
            yield line(end=answer.finish_reason)
        except ramalama.ChatError as exc:
            yield line(error=str(exc))


def line(**members: str | None) -> str:
    return f"{json.dumps(members)}\n"


async def failed(_request: Request, exc: Exception) -> Response:
    """Choose the status for an error that came before the model began."""
    match exc:
        case ramalama.ContextExceeded():
            status = 413
        case ramalama.ServerGone():
            status = 503
        case _:
            status = 502
    return JSONResponse({"error": str(exc)}, status_code=status)


app = Starlette(
    routes=[Route("/ask", ask, methods=["POST"])],
    exception_handlers={ramalama.ChatError: failed},
    lifespan=lifespan,
)
