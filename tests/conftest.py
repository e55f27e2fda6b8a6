"""For every test: failures inside the shared suites show their values; what is left out is said."""

from __future__ import annotations

import signal
from typing import Final

import pytest

pytest.register_assert_rewrite(
    "tests.contract.containers",
    "tests.contract.engine_contract",
    "tests.contract.sandbox_contract",
)

# What `nohup` and a shell's `&` make their programs ignore, and SIGTERM.
_SIGNALS: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


def pytest_configure() -> None:
    """Let the programs that tests start hear every signal, even where this process ignores some.

    A program inherits the signals that its parent ignores, but not those that its parent handles
    (signal(7)). The handler does nothing, so a test run under `nohup` survives a hang-up.
    """
    for number in _SIGNALS:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda _number, _frame: None)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Name what a plain run leaves out, and does not count as skipped."""
    left_out = config.getoption("markexpr") == "not heavy"
    return "left out: the heavy tests, which `pytest -m heavy` runs" if left_out else None
