"""Ask a server how many tokens its context holds, without the SDK, which is slow to import."""

from __future__ import annotations

from http.client import HTTPException
from typing import TYPE_CHECKING

from ramalama.serving.health import http_connection
from ramalama_chat.client.endpoint import TcpEndpoint
from ramalama_values.json import is_array, is_count, is_object, parse_json

if TYPE_CHECKING:
    from ramalama_chat.client.endpoint import Endpoint

_TIMEOUT = 5.0  # seconds
_LONGEST = 1024 * 1024  # bytes


def context_size(endpoint: Endpoint) -> int | None:
    """Return how many tokens the context of the server's only model holds; None if unknown.

    "max_model_len" is vLLM's member of the list of models, "meta.n_ctx" llama-server's.
    """
    headers = dict[str, str]()
    if isinstance(endpoint, TcpEndpoint):
        headers["Authorization"] = f"Bearer {endpoint.api_key}"
    connection = http_connection(endpoint, _TIMEOUT)
    try:
        connection.request("GET", "/v1/models", headers=headers)
        return _size_in(parse_json(connection.getresponse().read(_LONGEST)))
    except (OSError, HTTPException, ValueError):
        return None
    finally:
        connection.close()


def _size_in(answer: object) -> int | None:
    data = answer.get("data") if is_object(answer) else None
    entry = data[0] if is_array(data) and data else None
    if not is_object(entry):
        return None
    meta = entry.get("meta")
    size = entry.get("max_model_len") or (meta.get("n_ctx") if is_object(meta) else None)
    return size if is_count(size) and size else None
