"""`ramalama login` and `logout`, on a registry that knows one user."""

from __future__ import annotations

import io
import json
import re
import sys
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from ramalama.cli import main
from tests.doubles.oci_registry import always, demand
from tests.doubles.server import FileServer, Reply

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

Capture = pytest.CaptureFixture[str]

SECRET = "open sesame"  # noqa: S105 (a password is what this file is about)
TOKEN = "hf_opensesame"  # noqa: S105 (it opens nothing)
BASIC = f"Basic {b64encode(f'me:{SECRET}'.encode()).decode()}"
VARIABLES = (
    *("HF_TOKEN", "HF_HOME", "HF_TOKEN_PATH", "HF_ENDPOINT", "XDG_CACHE_HOME"),
    *("REGISTRY_AUTH_FILE", "RAMALAMA_CONFIG", "RAMALAMA_TLS_VERIFY", "DOCKER_CONFIG"),
)


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A user without any settings or logins, and with nothing on standard input."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    type_in(monkeypatch, b"")


@pytest.fixture
def server() -> Generator[FileServer]:
    with FileServer({"/v2/": always(Reply.of_json({}))}) as running:
        demand(running, 'Basic realm="test"', accept=lambda shown: shown == BASIC)
        yield running


def type_in(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def run(capsys: Capture, *words: str) -> tuple[int, str, str]:
    try:
        code = main(list(words))
    except SystemExit as exc:  # argparse's way to end
        code = exc.code if isinstance(exc.code, int) else 0
    said = capsys.readouterr()
    return code, said.out, said.err


def logins(tmp_path: Path) -> dict[str, object]:
    file = tmp_path / "containers/auth.json"
    found: dict[str, object] = json.loads(file.read_text())["auths"] if file.exists() else {}
    return found


@pytest.mark.parametrize("typed", [SECRET, f"{SECRET}\n", f"{SECRET}\r\n"])
def test_a_password_comes_from_standard_input(
    server: FileServer,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    typed: str,
) -> None:
    type_in(monkeypatch, typed.encode())
    name = f"127.0.0.1:{server.port}"

    code, out, err = run(
        capsys, "login", "-u", "me", "--password-stdin", "--tls-verify=false", name
    )

    file = tmp_path / "containers/auth.json"
    assert (code, out, err) == (0, "", f"Logged in to {name} as me ({file})\n")
    assert logins(tmp_path) == {name: {"auth": BASIC.split()[1]}}

    code, out, err = run(capsys, "logout", name)
    assert (code, out, err) == (0, "", f"Logged out of {name} ({file})\n")
    assert logins(tmp_path) == {}


def test_a_password_among_the_arguments_works_with_a_warning(
    server: FileServer, capsys: Capture, tmp_path: Path
) -> None:
    name = f"127.0.0.1:{server.port}"
    words = ("login", "--username=me", f"--password={SECRET}", "--tls-verify=false", name)

    code, _, loud = run(capsys, *words)
    quiet = run(capsys, "-q", *words)

    assert code == 0
    assert loud.startswith("Warning: all users of this machine can read the value of --password")
    assert SECRET not in loud
    assert quiet == (0, "", "")
    assert name in logins(tmp_path)


def test_an_authfile_is_written_and_cleared_instead_of_the_usual_one(
    server: FileServer, capsys: Capture, tmp_path: Path
) -> None:
    name = f"127.0.0.1:{server.port}"
    file = tmp_path / "mine.json"
    words = (name, f"--authfile={file}")

    assert run(capsys, "login", "-qume", "-p", SECRET, "--tls-verify=off", *words)[0] == 0
    assert (logins(tmp_path), list(json.loads(file.read_text())["auths"])) == ({}, [name])
    assert run(capsys, "logout", *words)[0] == 0
    assert json.loads(file.read_text()) == {"auths": {}}


def test_a_wrong_password_is_an_error_that_does_not_show_it(
    server: FileServer, capsys: Capture, tmp_path: Path
) -> None:
    name = f"127.0.0.1:{server.port}"

    code, out, err = run(capsys, "login", "-q", "-ume", "-popensaysme", "--tls-verify=no", name)

    assert (code, out) == (22, "")
    assert err == f"Error: {name} does not accept 'me' with this password; nothing was saved\n"
    assert logins(tmp_path) == {}


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (["login"], 2, "REGISTRY is missing; for example: `ramalama login quay.io`"),
        (["logout"], 2, "REGISTRY is missing; for example: `ramalama logout quay.io`"),
        (["login", "--token", TOKEN, "quay.io"], 2, "--token is only for huggingface"),
        (["login", "-u", "me", "huggingface"], 2, "huggingface requires a token"),
        (["login", "-p", SECRET, "huggingface"], 2, "huggingface requires a token"),
        (["login", "-p", SECRET, "--password-stdin", "quay.io"], 2, "not allowed with argument"),
        (["login", "--password-stdin", "quay.io"], 22, "--password-stdin requires --username"),
        (["login", "-u", "me", "--password-stdin", "quay.io"], 22, "holds no password"),
        (["login", "quay.io"], 22, "there is no terminal to ask at"),
        (["login", "-u", "me", "quay.io"], 22, "there is no terminal to ask at"),
        (["login", "huggingface"], 22, "there is no terminal to ask at"),
        (["login", "--password-stdin", "huggingface"], 22, "holds no password"),
        (["login", "--token", "a b", "huggingface"], 22, "this is not a token of Hugging Face"),
        (["login", "-u", "me", "-p", SECRET, "quay"], 22, "'quay' is not a registry"),
        (["login", "modelscope"], 22, "MODELSCOPE_API_TOKEN"),
        (["login", "ollama://"], 22, "has no passwords"),
        (["logout", "quay"], 22, "'quay' is not a registry"),
        (["logout", "quay.io"], 22, "not logged in to quay.io"),
        (["logout", "huggingface"], 22, "not logged in to Hugging Face"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(
    capsys: Capture, words: list[str], code: int, complaint: str
) -> None:
    done, out, err = run(capsys, "-q", *words)

    assert (done, out) == (code, "")
    assert re.fullmatch(r"Error: .*\n", err)
    assert complaint in err
    assert SECRET not in err
    assert TOKEN not in err


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x" * 70_000, b"\n"])
def test_what_can_be_no_password_is_not_tried(
    server: FileServer, capsys: Capture, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    type_in(monkeypatch, content)
    words = ("login", "-ume", "--password-stdin", "--tls-verify=no", f"127.0.0.1:{server.port}")

    assert run(capsys, *words) == (22, "", "Error: standard input holds no password\n")
    assert server.requests == []


def test_a_token_for_hugging_face_is_checked_and_kept(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    type_in(monkeypatch, f"{TOKEN}\n".encode())
    file = tmp_path / ".cache/huggingface/token"
    with FileServer({"/api/whoami-v2": always(Reply.of_json({"name": "me"}))}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        piped = run(capsys, "login", "--password-stdin", "hf://")
        monkeypatch.setenv("HF_TOKEN", "another")
        given = run(capsys, "login", "--token", TOKEN, "huggingface")

    assert piped == (0, "", f"Logged in to Hugging Face as me ({file})\n")
    assert given[2].startswith("Warning: all users of this machine can read the value of --token")
    assert "Warning: HF_TOKEN is set and takes precedence over the token of this login" in given[2]
    assert file.read_text() == TOKEN
    assert run(capsys, "logout", "huggingface", "--token=x") == (
        0,
        "",
        f"Logged out of huggingface ({file})\n",
    )
    assert not file.exists()


@pytest.mark.parametrize("words", [["login", "-u", "me", "-p", SECRET], ["logout"]])
def test_a_dry_run_asks_nobody_and_shows_no_password(
    server: FileServer, capsys: Capture, words: list[str]
) -> None:
    name = f"127.0.0.1:{server.port}"

    done = run(capsys, "--dryrun", *words, name)

    assert done == (0, "", f"would do: ramalama {words[0]} {name}\n")
    assert server.requests == []


@pytest.mark.parametrize("verb", ["login", "logout"])
def test_the_help_teaches_by_examples(capsys: Capture, verb: str) -> None:
    code, out, _ = run(capsys, verb, "--help")

    assert code == 0
    assert f"examples:\n  ramalama {verb} quay.io" in out
