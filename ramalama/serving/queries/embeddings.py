"""Ask an embeddings server for the vectors of texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.errors import OptionRefused
from ramalama.serving.queries.exchange import Request, check_timeout, read_object
from ramalama.serving.queries.vectors import read_vectors
from ramalama_values.text import encodable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ramalama.serving.queries.exchange import Query

_BATCH = 64  # texts of a request; a server divides them among its slots


def ask_vectors(
    model: str, texts: Sequence[str], *, timeout: float | None
) -> Query[list[list[float]]]:
    """Ask for the vectors of *texts*, in their order; *timeout* is for each request of some."""
    if timeout is not None:
        check_timeout(timeout)
    _check_texts(texts)
    vectors: list[list[float]] = []
    for start in range(0, len(texts), _BATCH):
        some = [encodable(each) for each in texts[start : start + _BATCH]]
        body = {"model": model, "input": some, "encoding_format": "base64"}
        reply = yield Request(path="/embeddings", body=body, timeout=timeout, patient=True)
        vectors += (each.tolist() for each in read_vectors(read_object(reply), len(some)))
    return vectors


def _check_texts(texts: object) -> None:
    if isinstance(texts, str | bytes):  # its characters would be taken for texts
        msg = "embed takes several texts: put a single one into a list"
        raise OptionRefused(msg)
