"""`ps`, `stop`, `logs`, `info` and `version`, on servers that really run."""

from __future__ import annotations

import json
import os
import re
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from ramalama import __version__
from tests.integration.cli import ENDLESS, EVERYWHERE, SMALL, Cli, Done, finish
from tests.integration.served import Served, serving

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

pytest_plugins = ["tests.integration.users"]
pytestmark = pytest.mark.engines

on_podman = pytest.mark.parametrize("cli", ["podman"], indirect=True)

HEADING = "CONTAINER ID  MODEL"


@pytest.fixture(scope="module", params=EVERYWHERE)
def served(request: pytest.FixtureRequest) -> Generator[Served]:
    """A server to look at."""
    with serving(request, request.param, "--name=looked-at", "--network=bridge") as server:
        yield server


def test_ps_shows_a_server_in_a_row(served: Served, model: Path) -> None:
    heading, row = served.cli.run("ps").out.splitlines()

    assert heading.startswith(HEADING)
    assert row.startswith(f"{served.id[:12]}  file://{model}  llama.cpp  ")
    assert re.search(r"  running  (\d[\d.]* [kMG]B)? +127\.0\.0\.1:", row)
    assert row.endswith("  looked-at")


def test_ps_leaves_the_heading_out_and_ids_whole(served: Served) -> None:
    (row,) = served.cli.run("containers", "-n", "--no-trunc").out.splitlines()

    assert row.startswith(f"{served.id}  ")


def test_ps_writes_json(served: Served, model: Path, llama_image: str) -> None:
    (row,) = json.loads(served.cli.run("ps", "--format", "json").out)
    created = datetime.fromisoformat(row.pop("created"))
    (port,) = row.pop("ports")
    address, memory = row.pop("address"), row.pop("memory")

    assert created.tzinfo is not None
    assert port.startswith("127.0.0.1:")
    assert address == port
    assert memory is None or memory > 1 << 20
    assert row == {
        "id": served.id,
        "name": "looked-at",
        "model": f"file://{model}",
        "runtime": "llama.cpp",
        "engine": served.cli.service.kind,
        "image": llama_image,
        "status": "running",
        "api": None,
    }


@pytest.mark.parametrize("name", ["looked-at", "{id:.12}", "{id}"])
def test_logs_shows_what_the_server_wrote(served: Served, name: str) -> None:
    done = served.cli.run("logs", name.format(id=served.id))

    assert (done.code, done.err) == (0, "")
    assert "model loaded" in done.out


def test_logs_shows_the_last_lines_only(served: Served) -> None:
    whole = served.cli.run("logs", "looked-at").out.splitlines()
    tail = served.cli.run("logs", "--tail=2", "looked-at").out.splitlines()

    assert tail == whole[-2:]


@pytest.mark.parametrize("command", ["stop", "logs"])
def test_servers_are_completed_by_name(served: Served, command: str) -> None:
    line = f"ramalama {command} look"
    answer = served.cli.home / "answer"
    asking = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }

    served.cli.run(env=asking)

    assert answer.read_text().strip() == "looked-at"


def test_info_describes_the_engine_and_says_why_it_is_this_one(served: Served) -> None:
    cli = served.cli
    told = json.loads(cli.run("info").out)
    variable = {"podman": "CONTAINER_HOST", "docker": "DOCKER_HOST"}[cli.service.kind]

    assert told["Version"] == __version__
    assert told["Engine"]["kind"] == cli.service.kind
    assert told["Engine"]["url"] == cli.service.url
    assert told["Engine"]["rootless"] is (cli.service.account is not None)
    assert variable in told["Engine"]["Why"]
    assert told["Accelerator"]["kind"] == "cpu"
    assert told["Image"] == f"quay.io/ramalama/ramalama:{__version__.rpartition('.')[0]}"


@pytest.mark.parametrize("by", ["name", "id"])
def test_stop_stops_a_server_and_names_it(cli: Cli, model: Path, by: str) -> None:
    with cli.start("run", *ENDLESS, "--name=to-stop", str(model), "Count.") as process:
        assert process.stdout is not None
        process.stdout.read(1)
        container = cli.container_of(process.pid)
        assert container is not None
        word = "to-stop" if by == "name" else str(container["Id"])[:12]
        stopped = cli.run("stop", word)
        done = finish(process)

    assert (stopped.code, stopped.err) == (0, "")
    assert stopped.out in {"to-stop\n", f"{word}\n"}
    assert done.err.startswith(f"Error: the llama.cpp server of file://{model} ended")
    assert cli.containers() == []


def test_stop_all_stops_every_server(cli: Cli, model: Path) -> None:
    with (
        cli.start("run", *ENDLESS, "--name=first", str(model), "Count.") as first,
        cli.start("run", *ENDLESS, "--name=second", str(model), "Count.") as second,
    ):
        for process in (first, second):
            assert process.stdout is not None
            process.stdout.read(1)
        stopped = cli.run("stop", "--all")
        finish(first)
        finish(second)

    assert sorted(stopped.out.split()) == ["first", "second"]
    assert cli.containers() == []


def test_logs_follows_a_server_until_it_ends(cli: Cli, model: Path) -> None:
    with cli.start("run", *ENDLESS, "--name=followed", str(model), "Count.") as process:
        assert process.stdout is not None
        process.stdout.read(1)
        with cli.start("logs", "--follow", "followed") as following:
            assert following.stdout is not None
            first = following.stdout.readline()
            cli.run("stop", "followed")
            done = finish(following)
        finish(process)

    assert first
    assert done.code == 0


@pytest.mark.parametrize("name", ["no-such", "", "a b\n", "é"])
@pytest.mark.parametrize("command", ["stop", "logs"])
@on_podman
def test_a_server_that_is_not_there(cli: Cli, command: str, name: str) -> None:
    done = cli.run(command, "--", name)

    assert done.code == 125
    assert done.complaint.startswith("there is no model server ")


def test_containers_of_others_are_not_for_us_to_stop(cli: Cli, llama_image: str) -> None:
    options = ("--detach", "--network=none", "--stop-signal=KILL")
    container = cli.engine("run", *options, llama_image, "sleep", "600")
    try:
        done = cli.run("stop", container)
        cli.run("stop", "--all")
        left = cli.engine("inspect", "--format={{.State.Running}}", container)
    finally:
        cli.engine("rm", "--force", container)

    assert (done.code, left) == (125, "true")


@on_podman
def test_stop_ignores_what_is_not_there_when_told_to(cli: Cli) -> None:
    assert cli.run("stop", "--ignore", "no-such") == Done(code=0)
    assert cli.run("stop", "--all") == Done(code=0)


@pytest.mark.parametrize("words", [["stop"], ["stop", "--all", "x"], ["logs"], ["ps", "x"]])
@on_podman
def test_a_command_that_is_not_whole(cli: Cli, words: list[str]) -> None:
    done = cli.run(*words)

    assert done.code == 2
    assert done.complaint


@on_podman
def test_without_an_engine_info_still_prints_all_else(cli: Cli) -> None:
    done = cli.at("unix:///no/such.sock").run("info")

    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["Engine"] == {
        "Error": "CONTAINER_HOST says unix:///no/such.sock: it does not exist",
        "Message": "CONTAINER_HOST says unix:///no/such.sock: it does not exist",
        "Hint": None,
        "Tried": [
            {
                "Url": "unix:///no/such.sock",
                "Why": "CONTAINER_HOST",
                "Failure": "it does not exist",
            }
        ],
    }


@pytest.mark.parametrize("words", [["ps"], ["stop", "x"], ["logs", "x"]])
@on_podman
def test_without_an_engine_the_others_fail_in_a_line(cli: Cli, words: list[str]) -> None:
    done = cli.at("unix:///no/such.sock").run(*words)

    assert (done.code, done.complaint) == (
        125,
        "CONTAINER_HOST says unix:///no/such.sock: it does not exist",
    )


@pytest.mark.parametrize("words", [["version"], ["--version"], ["-v"]])
@on_podman
def test_version_is_printed(cli: Cli, words: list[str]) -> None:
    assert cli.run(*words) == Done(code=0, out=f"ramalama version {__version__}\n")


@on_podman
def test_quiet_version_is_the_number_alone(cli: Cli) -> None:
    assert cli.run("version", "--quiet") == Done(code=0, out=f"{__version__}\n")


@pytest.mark.parametrize("words", [["ps"], ["info"], ["--help"], ["run", "--help"]])
@on_podman
def test_a_reader_that_leaves_is_no_bug(cli: Cli, words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe, cli.start(*words, stdout=pipe) as process:
        done = finish(process)

    assert done.err == ""


@on_podman
def test_no_command_changes_anything_in_a_dry_run(cli: Cli, model: Path) -> None:
    with cli.prompt_loop(*SMALL, "--name=stays", str(model)):
        done = cli.run("--dryrun", "stop", "stays")

        assert done == Done(code=0, err="would do: ramalama stop stays\n")
        assert len(cli.containers()) == 1
