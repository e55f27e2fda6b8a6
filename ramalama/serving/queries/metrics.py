"""Ask a server for its metrics, in the text format of Prometheus.

Its description: https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from ramalama.serving.queries.exchange import NO_SUCH_PATH, Request
from ramalama_chat.errors import RequestFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ramalama.serving.queries.exchange import Query

# A name, labels, a value; the labels' values may have braces, spaces and escaped quotes.
_SAMPLE = re.compile(r'([A-Za-z_:][A-Za-z0-9_:]*)(?:\{((?:[^"{}]|"(?:[^"\\]|\\.)*")*)\})?\s+(\S+)')
_OF_DISTRIBUTION = re.compile(r'(?:^|,)\s*(?:le|quantile)="')


def ask_metrics(*, timeout: float) -> Query[Mapping[str, float]]:
    """Ask for the metrics; there are none if the server has none."""
    try:
        reply = yield Request(path="../metrics", timeout=timeout)
    except RequestFailed as exc:
        if exc.status not in NO_SUCH_PATH:
            raise
        return {}
    return read_metrics(reply)


def read_metrics(text: bytes) -> Mapping[str, float]:
    """Return the values of the samples by their names; lines that are none are skipped.

    Samples of one name that differ in their labels are added, for example those of several engines
    of vLLM. The parts of a distribution (buckets, quantiles) are left out, its sum and count are
    not.
    """
    values: dict[str, float] = {}
    for line in text.decode(errors="replace").splitlines():
        sample = _SAMPLE.match(line)
        if sample is None or _OF_DISTRIBUTION.search(sample[2] or ""):
            continue
        try:
            value = float(sample[3])
        except ValueError:
            continue
        if math.isfinite(value):
            values[sample[1]] = values.get(sample[1], 0.0) + value
    return values
