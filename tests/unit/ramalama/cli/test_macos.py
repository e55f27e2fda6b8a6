"""The commands that need no engine, as if on macOS."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ramalama_engines.user import InvokingUser
from tests.doubles import as_if_on_macos
from tests.doubles.server import FileServer, serve_bytes
from tests.unit.engines.discovery.homes import write_machine
from tests.unit.engines.unix_service import PODMAN_ANSWER, service
from tests.unit.ramalama.models.formats.made_gguf import gguf

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@pytest.fixture
def url() -> Generator[str]:
    with FileServer() as server:
        server.routes["/tiny.gguf"] = serve_bytes(gguf({}) + bytes(300_000))
        yield f"{server.url}/tiny.gguf"


def on_macos(home: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    program = as_if_on_macos.__file__
    env = {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    env |= {"RAMALAMA_STORE": f"{home}/store", "XDG_RUNTIME_DIR": f"{home}/run"}
    env |= variables
    command = [sys.executable, program, *words]
    return subprocess.run(
        command, env=env, input="", capture_output=True, text=True, check=False, timeout=60
    )


def test_models_come_and_go_on_macos(tmp_path: Path, url: str) -> None:
    commands = (["pull"], ["pull"], ["inspect"], ["inspect", "--json"], ["rm"])
    done = [on_macos(tmp_path, *words, url) for words in commands]

    assert [each.returncode for each in done] == [0] * len(commands), done
    assert on_macos(tmp_path, "list", "--noheading").stdout == ""


@pytest.mark.parametrize(
    "words",
    [
        ["version"],
        ["--help"],
        ["run", "--help"],
        ["list", "--json"],
        ["gc"],
        ["rm", "--all"],
        ["info"],
        ["info", "--shortnames"],
        ["completion", "zsh"],
    ],
)
def test_a_command_without_an_engine_works_on_macos(tmp_path: Path, words: list[str]) -> None:
    done = on_macos(tmp_path, *words)

    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr


def test_a_machine_that_is_stopped_is_told_with_its_command_on_macos(tmp_path: Path) -> None:
    user = InvokingUser(env={}, home=tmp_path, uid=os.getuid())
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    ssh = {"IdentityPath": "/k", "Port": port, "RemoteUsername": "core"}
    write_machine(user, "mine", SSH=ssh)

    done = on_macos(tmp_path, "ps")

    assert done.returncode == 125
    url = f"ssh://core@127.0.0.1:{port}/run/user/501/podman/podman.sock"
    stopped = "this virtual machine does not run; start it with: podman machine start mine"
    assert f"\n  {url}: {stopped}\n" in done.stderr
    assert done.stderr.endswith("Start one with: podman machine start mine\n")


def test_a_running_machine_is_found_on_macos(tmp_path: Path) -> None:
    user = InvokingUser(env={}, home=tmp_path, uid=os.getuid())
    write_machine(user, "mine")
    with service(tmp_path / "T/podman/mine-api.sock", PODMAN_ANSWER) as url:
        done = on_macos(tmp_path, "info", TMPDIR=f"{tmp_path}/T")

    assert json.loads(done.stdout)["Engine"]["Tried"] == [
        {"Url": url, "Why": "podman machine 'mine'", "Failure": None}
    ]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["ps"], 125, "podman machine init && podman machine start"),
        (["doctor"], 125, "podman machine init && podman machine start"),
        (["chat", "--url", "http://127.0.0.1:9", "Hello"], 1, "cannot be reached"),
        (["login", "quay.io"], 22, "there is no terminal to ask at"),
        (["push", "./none.gguf", "oci://127.0.0.1:9/a/b"], 2, "no such model file"),
    ],
)
def test_what_fails_on_macos_fails_with_a_message(
    tmp_path: Path, words: list[str], code: int, message: str
) -> None:
    done = on_macos(tmp_path, *words)

    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
