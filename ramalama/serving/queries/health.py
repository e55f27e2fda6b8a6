"""Ask a server how it is: whether it answers, how much it has to do, and how fast it is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ramalama.serving.queries.exchange import NO_SUCH_PATH, Request, read_object
from ramalama.serving.queries.metrics import read_metrics
from ramalama_chat.errors import ChatError, RequestFailed
from ramalama_values import frozen
from ramalama_values.json import is_array, is_object

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from ramalama.serving.queries.exchange import Query

# Names of llama-server's metrics, and of vLLM's.
_BUSY = ("llamacpp:requests_processing", "vllm:num_requests_running")
_QUEUED = ("llamacpp:requests_deferred", "vllm:num_requests_waiting")
_TOKENS = ("llamacpp:tokens_predicted_total", "vllm:generation_tokens_total")
_SECONDS = ("llamacpp:tokens_predicted_seconds_total", "vllm:request_decode_time_seconds_sum")


@frozen()
class ServerHealth:
    """The state of a server; None is what it does not say.

    Attributes:
        ready: whether it answers requests; False while it loads its model, and if it is gone.
        busy: requests that it answers at present.
        slots: requests that it can answer at the same time.
        queued: requests that wait for one of these slots.
        restarts: how often it was started again because it died, see `ModelServer.restarts`.
        tokens_per_second: how fast it writes one answer, on average since its start.
    """

    ready: bool
    busy: int | None = None
    slots: int | None = None
    queued: int | None = None
    restarts: int | None = None
    tokens_per_second: float | None = None


def ask_health(path: str, *, timeout: float, restarts: int | None) -> Query[ServerHealth]:
    """Ask for the health; *path* answers 200 when the model is loaded, *timeout* is for all."""
    deadline = time.monotonic() + timeout

    def ask(path: str) -> Generator[Request, bytes, bytes | None]:
        left = deadline - time.monotonic()
        if left <= 0:
            return None
        try:
            return (yield Request(path=path, timeout=left))
        except ChatError:
            return None

    if not (yield from _is_ready(path, timeout)):
        return ServerHealth(ready=False, restarts=restarts)
    states = _processing((yield from ask("../slots")))
    metrics = read_metrics((yield from ask("../metrics")) or b"")
    busy = _whole(metrics, _BUSY)
    return ServerHealth(
        ready=True,
        busy=busy if states is None else sum(states),
        slots=None if states is None else len(states),
        queued=_whole(metrics, _QUEUED),
        restarts=restarts,
        tokens_per_second=_speed(metrics),
    )


def _is_ready(path: str, timeout: float) -> Query[bool]:
    try:
        yield Request(path=f"..{path}", timeout=timeout)
    except RequestFailed as exc:
        if exc.status not in NO_SUCH_PATH:
            return False
    except ChatError:
        return False
    else:
        return True
    try:
        yield Request(path="/models", timeout=timeout)  # of servers that have no such path
    except ChatError:
        return False
    return True


def _processing(reply: bytes | None) -> list[bool] | None:
    """Return for each slot whether it answers a request; None if *reply* does not say."""
    if reply is None:
        return None
    try:
        slots = read_object(reply)
    except ChatError:
        return None
    if not is_array(slots):
        return None
    states = [each.get("is_processing") for each in slots if is_object(each)]
    known = [each for each in states if isinstance(each, bool)]
    return known if len(known) == len(slots) and known else None


def _first(metrics: Mapping[str, float], names: tuple[str, ...]) -> float | None:
    return next((metrics[name] for name in names if name in metrics), None)


def _whole(metrics: Mapping[str, float], names: tuple[str, ...]) -> int | None:
    value = _first(metrics, names)
    return None if value is None else round(value)


def _speed(metrics: Mapping[str, float]) -> float | None:
    tokens, seconds = _first(metrics, _TOKENS), _first(metrics, _SECONDS)
    return tokens / seconds if tokens and seconds else None
