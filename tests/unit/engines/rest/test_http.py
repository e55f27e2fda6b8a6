"""What failures of an HTTP service mean, and whose socket it is."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING

import pytest

from ramalama_engines.errors import ContainerConflict, EngineError, UnsupportedOption
from ramalama_engines.rest.http import (
    FailurePattern,
    explain,
    first_errno,
    has_timed_out,
    peer_uid,
    socket_path,
    unavailable,
)

if TYPE_CHECKING:
    from pathlib import Path

MEANINGS = (
    FailurePattern(r'name "(?P<name>.*)" is taken', ContainerConflict, "rename {name}"),
    FailurePattern("taken", EngineError, "something is taken"),
    FailurePattern("a(?P<first>x)?|b(?P<second>y)?", UnsupportedOption, "<{first}{second}>"),
)


def wrapped(cause: BaseException, *, explicit: bool = True) -> BaseException:
    """Wrap *cause* as requests does: an OSError without errno around a chain of others."""
    middle, outer = RuntimeError("in between"), OSError("Connection aborted")
    outer.__cause__ = middle
    if explicit:
        middle.__cause__ = cause
    else:
        middle.__context__ = cause
    return outer


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ('the name "x" is taken', ContainerConflict, 'rename x (e: the name "x" is taken)'),
        ("a port is taken", EngineError, "something is taken (e: a port is taken)"),
        ("ax", UnsupportedOption, "<x> (e: ax)"),
        ("b", UnsupportedOption, "<> (e: b)"),
        ('name "{evil}\x1b[31m" is taken', ContainerConflict, r"rename {evil}\x1b[31m"),
    ],
)
def test_the_first_meaning_whose_words_are_said_explains_a_failure(
    text: str, error: type[EngineError], message: str
) -> None:
    explained = explain(text, MEANINGS, engine="e")

    assert type(explained) is error
    assert str(explained).startswith(message)
    assert explained is not None
    assert explained.engine == "e"


def test_words_without_a_meaning_are_not_explained() -> None:
    assert explain("unheard of", MEANINGS[:2], engine="e") is None


@pytest.mark.parametrize(
    ("cause", "message"),
    [
        (FileNotFoundError(errno.ENOENT, "no"), "no such socket"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "no"), "no process listens there"),
        (PermissionError(errno.EACCES, "no"), "permission denied"),
        (ConnectionResetError(errno.ECONNRESET, "no"), "ECONNRESET"),
        (TimeoutError("timed out"), "no answer (timed out)"),
        (ValueError("odd\nanswer"), "no answer (odd answer)"),
    ],
)
@pytest.mark.parametrize("explicit", [True, False])
def test_why_an_engine_is_silent_is_told_from_the_bottom_of_the_chain(
    cause: BaseException,
    message: str,
    explicit: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    error = unavailable(wrapped(cause, explicit=explicit), engine="podman", url="unix:///s")

    assert str(error).startswith("podman at unix:///s: ")
    assert message in str(error)
    assert error.engine == "podman"


def test_the_first_errno_wins_and_an_error_without_a_number_has_none() -> None:
    inner = wrapped(OSError(errno.EPIPE, "inner"))

    assert first_errno(inner) == errno.EPIPE
    assert first_errno(wrapped(ValueError())) is None


def test_a_chain_that_bites_its_tail_ends() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one

    assert first_errno(one) is None


def test_only_a_socket_that_waited_too_long_has_timed_out() -> None:
    assert has_timed_out(wrapped(TimeoutError("timed out")))
    assert not has_timed_out(wrapped(ConnectionResetError()))


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("unix:///run/podman/podman.sock", "/run/podman/podman.sock"),
        ("unix:///with space?and#more", "/with space?and#more"),
        ("tcp://127.0.0.1:2375", None),
        ("ssh://host/run/podman.sock", None),
    ],
)
def test_a_unix_url_holds_a_path_as_it_is(url: str, path: str | None) -> None:
    assert socket_path(url) == path


def test_the_kernel_tells_whose_socket_it_is(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()

        assert peer_uid(str(tmp_path / "s")) == os.getuid()


def test_a_socket_without_a_listener_has_no_owner(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        peer_uid(str(tmp_path / "s"))
