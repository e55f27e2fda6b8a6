"""Completion at the prompts of real shells: a line is typed, and read back after the Tab."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect
import pytest

from ramalama.cli import main
from tests.unit.ramalama.models.store.filled import HUB, OLLAMA, publish

if TYPE_CHECKING:
    from collections.abc import Generator

Capture = pytest.CaptureFixture[str]

PATIENCE = 60.0  # seconds; an answer takes a tenth of one
HOME_KEY, CLEAR_KEY = "\x01", "\x15"  # Ctrl-A and Ctrl-U, in all three

_SHOW = r"""show() { printf '[%s]\n' "$*"; }"""
_SOURCE = "source <(ramalama completion"
SHELLS = {
    "bash": (["--norc", "--noprofile"], f"{_SHOW}; {_SOURCE} bash)"),
    "zsh": (
        ["-f"],
        f"{_SHOW}; bindkey -e; autoload -Uz compinit; compinit -u; {_SOURCE} zsh)",
    ),
    "fish": (
        [
            "--no-config",
            "--init-command=function fish_prompt; echo 'ready> '; end",
            r"""--init-command=function show; printf '[%s]\n' "$argv"; end""",
            "--init-command=ramalama completion fish | source",
        ],
        "true",
    ),
}

LINES = [
    ("ver", "version"),
    ("--engine d", "--engine docker"),
    ("--connection g", "--connection gpu"),
    ("ps --connection big", "ps --connection bigger"),
    ("--debug logo", "--debug logout"),
    ("help ins", "help inspect"),
    ("ps --nohe", "ps --noheading"),
    ("containers --no-t", "containers --no-trunc"),
    ("run --pull newe", "run --pull newer"),
    ("run --pull=al", "run --pull=always"),
    ("run --selinux f", "run --selinux false"),
    ("list --sort m", "list --sort modified"),
    ("completion f", "completion fish"),
    ("pull --authfile au", "pull --authfile auth.json"),
    ("run smol", "run smollm2:135m"),
    ("run --seed 7 smollm2:1", "run --seed 7 smollm2:135m"),
    ("inspect ollama://lib", "inspect ollama://library/smollm2:135m"),
    ("rm smollm2:135m hf", "rm smollm2:135m hf://acme/tiny-GGUF:Q8_0"),
    ("push hf://acme/tiny-GGUF:", "push hf://acme/tiny-GGUF:Q8_0"),
    ("run ./gran", "run ./granite.gguf"),
]


@pytest.fixture(scope="module", params=SHELLS)
def shell(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[pexpect.spawn[str]]:
    """A shell that completes, in a directory with some files, of a user with two models."""
    home = tmp_path_factory.mktemp("home")
    publish(home / "store", OLLAMA)
    publish(home / "store", HUB, content=b"others")
    for name in ("granite.gguf", "auth.json", ".hidden"):
        (home / name).touch()
    connections = {"gpu": {"URI": "ssh://gpu"}, "bigger": {"URI": "ssh://big"}}
    file = home / ".config/containers/podman-connections.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"Connection": {"Connections": connections}}))
    options, setup = SHELLS[request.param]
    child: pexpect.spawn[str] = pexpect.spawn(
        request.param,
        options,
        cwd=str(home),
        dimensions=(50, 200),
        encoding="utf-8",
        env={
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PS1": "ready> ",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "RAMALAMA_STORE": str(home / "store"),
            "TERM": "xterm",
        },
        timeout=PATIENCE,
    )
    child.expect_exact("ready> ")
    child.sendline(f"{setup}; show set up")
    child.expect_exact("[set up]")
    yield child
    child.close(force=True)


@pytest.mark.programs(*SHELLS)
@pytest.mark.parametrize(("typed", "completed"), LINES)
def test_a_tab_completes(shell: pexpect.spawn[str], typed: str, completed: str) -> None:
    shell.send(f"{CLEAR_KEY}ramalama {typed}\t{HOME_KEY}show \r")

    shell.expect(r"\[(ramalama [^]]*?) ?\]")
    assert isinstance(shell.match, re.Match)
    assert shell.match[1] == f"ramalama {completed}"


@pytest.mark.parametrize("name", SHELLS)
def test_the_script_is_all_that_is_printed(name: str, capsys: Capture) -> None:
    assert main(["completion", name]) == 0

    out, err = capsys.readouterr()
    assert "_ARGCOMPLETE" in out
    assert err == ""


def test_a_shell_that_is_not_known_is_refused_with_the_names_of_those_that_are(
    capsys: Capture,
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["completion", "tcsh"])

    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert all(name in err for name in SHELLS)
