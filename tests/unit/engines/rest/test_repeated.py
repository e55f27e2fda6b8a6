"""Requests that change nothing are sent again when a connection over ssh was lost."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from ramalama_engines import EngineUnavailable
from ramalama_engines.rest.http import repeated_if_lost

if TYPE_CHECKING:
    from ramalama_engines.route import Route

OVER_SSH = cast("Route", SimpleNamespace(ssh=object()))
HERE = cast("Route", SimpleNamespace(ssh=None))


class _Request:
    """A request that fails a number of times."""

    def __init__(self, failures: int, cause: Exception | None = None) -> None:
        self.sent = 0
        self._failures = failures
        self._cause = cause

    def __call__(self) -> str:
        self.sent += 1
        if self.sent <= self._failures:
            msg = "no answer"
            raise EngineUnavailable(msg) from self._cause
        return "answer"


def test_a_request_is_sent_again_over_ssh() -> None:
    request = _Request(failures=1)

    assert repeated_if_lost(request, OVER_SSH) == "answer"
    assert request.sent == 2


@pytest.mark.parametrize(
    ("route", "cause", "failures", "sent"),
    [(HERE, None, 1, 1), (OVER_SSH, TimeoutError(), 1, 1), (OVER_SSH, None, 2, 2)],
    ids=["a-socket-here", "an-engine-that-hangs", "lost-twice"],
)
def test_any_other_failure_is_reported(
    route: Route, cause: Exception | None, failures: int, sent: int
) -> None:
    request = _Request(failures, cause)

    with pytest.raises(EngineUnavailable):
        repeated_if_lost(request, route)

    assert request.sent == sent
