"""For every test: failures inside the shared suites show their values; what is left out is said."""

from __future__ import annotations

import shutil
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

# Debian's package of a program, where it is not called as the program is.
_PACKAGES: Final = {
    "mke2fs": "e2fsprogs",
    "qemu-system-x86_64": "qemu-system-x86",
    "setpriv": "util-linux",
}


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
    if config.getoption("markexpr") != "not heavy and not matrix":
        return None
    return (
        "left out: the heavy tests, which `pytest -m heavy` runs,"
        " and other engines' versions, `pytest -m matrix`"
    )


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fail before the first test, in one line, if a program is missing that a test is marked with.

    Raises:
        pytest.UsageError: it names the programs, and Debian's packages of them.
    """
    marks = [mark for item in session.items for mark in item.iter_markers("programs")]
    named = {str(name) for mark in marks for name in mark.args}
    missing = sorted(name for name in named if shutil.which(name) is None)
    if missing and not session.config.getoption("collectonly"):
        packages = " ".join(_PACKAGES.get(name, name) for name in missing)
        msg = (
            f"tests need programs that are not installed: {', '.join(missing)}."
            f" Run scripts/test, or: apt-get install {packages}"
        )
        raise pytest.UsageError(msg)
