"""A service with Flask: ``gunicorn --workers 2 --threads 8 flask_service:app``.

``curl --no-buffer --json '{"question": "Why is the sky blue?"}' http://127.0.0.1:8000/ask``
The variable MODEL names another model than smollm2:135m.
"""

import json
import os
from collections.abc import Iterator

from flask import Flask, Response, request

import ramalama
from ramalama_chat import Answer

# Each worker has this object, and all of them share one container: the first worker starts it,
# and the end of the last one removes it.
server = ramalama.start(os.environ.get("MODEL", "smollm2:135m"), reuse=True, parallel=4)

app = Flask(__name__)


@app.post("/ask")
def ask() -> Response:
    """Stream the answer as server-sent events."""
    answer = server.chat().ask(request.json["question"], max_tokens=256, timeout=120)
    # The status of the response is sent with its first byte. So the model begins before that: what
    # goes wrong until then is an exception, for which the handlers below choose the status.
    answer.begin()
    return Response(events(answer), mimetype="text/event-stream")


def events(answer: Answer[None]) -> Iterator[str]:
    """Yield an event for each piece of the answer, and one that says how it ended."""
    with answer:  # a client that leaves frees the model for the next question
        try:
            for piece in answer:
                yield event("text", piece)
            yield event("end", answer.finish_reason)
        except ramalama.ChatError as exc:
            yield event("error", str(exc))


def event(name: str, data: object) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


@app.errorhandler(ramalama.ContextExceeded)
def too_long(exc: ramalama.ContextExceeded) -> tuple[dict[str, object], int]:
    return {"error": str(exc), "tokens": exc.needed, "most": exc.held}, 413


@app.errorhandler(ramalama.ServerGone)
def gone(exc: ramalama.ServerGone) -> tuple[dict[str, str], int, dict[str, str]]:
    return {"error": str(exc)}, 503, {"Retry-After": "5"}


@app.errorhandler(ramalama.ChatError)
def failed(exc: ramalama.ChatError) -> tuple[dict[str, str], int]:
    return {"error": str(exc)}, 502
