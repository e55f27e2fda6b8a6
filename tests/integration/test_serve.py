"""`ramalama serve`, in the foreground and left behind, and how others reach and end it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from tests.integration.cli import SMALL, Cli, Done, eventually, finish

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Generator
    from typing import IO

pytest_plugins = ["tests.integration.users"]
pytestmark = pytest.mark.engines

on_podman = pytest.mark.parametrize("cli", ["podman"], indirect=True)

KEY = "open-sesame"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def status(port: int, key: str | None = None) -> int:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return httpx2.get(f"http://127.0.0.1:{port}/v1/models", headers=headers).status_code


def readers_of(port: int, origin: str) -> str | None:
    """Return which web pages a browser lets read the answers, if one of *origin* asks."""
    answer = httpx2.get(f"http://127.0.0.1:{port}/health", headers={"Origin": origin})
    return answer.headers.get("access-control-allow-origin")


def until_served(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.readline()


def test_in_the_foreground_it_says_where_and_serves_until_ctrl_c(cli: Cli, model: Path) -> None:
    with cli.start("serve", *SMALL, str(model)) as process:
        said = until_served(process)
        with cli.server() as client:
            assert client.get("/v1/models").status_code == 200
        process.send_signal(signal.SIGINT)
        done = finish(process)

    assert said.startswith("smollm2 is served at unix:///")
    assert done.code == 130
    assert "model loaded" in done.out
    assert cli.containers() == []


def test_detached_it_prints_its_name_and_stays_until_it_is_stopped(cli: Cli, model: Path) -> None:
    started = cli.run("serve", "-d", *SMALL, "--name=stays", "-q", str(model))
    cli.run("ps")
    (row,) = json.loads(cli.run("ps", "--json").out)
    with cli.server() as client:
        answered = client.get("/v1/models").status_code
    stopped = cli.run("stop", "stays")

    assert started == Done(code=0, out="stays\n")
    assert row["name"] == "stays"
    assert Path(row["address"].removeprefix("unix://")).name == "api.sock"
    assert answered == 200
    assert stopped == Done(code=0, out="stays\n")
    assert (cli.containers(), cli.leftovers()) == ([], [])


@pytest.fixture(params=["full disk", "closed pipe"])
def broken_output(request: pytest.FixtureRequest) -> Generator[IO[bytes]]:
    """A standard output that nothing can be written to."""
    if request.param == "full disk":
        with Path("/dev/full").open("wb") as full:
            yield full
        return
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        yield pipe


@on_podman
def test_a_server_whose_name_nobody_learns_does_not_stay(
    cli: Cli, model: Path, broken_output: IO[bytes]
) -> None:
    words = ("serve", "-d", "-q", *SMALL, str(model))
    with cli.start(*words, stdout=broken_output) as process:
        _, said = process.communicate()

    why = "the server's name could not be printed, so the server is not kept"
    assert said in {
        f"Error: standard output: No space left on device; {why}\n",
        f"Error: standard output: Broken pipe; {why}\n",
    }
    assert process.returncode in {5, 141}
    assert (cli.containers(), cli.leftovers()) == ([], [])


@on_podman
def test_a_server_of_others_stays_although_one_more_user_does_not_learn_its_name(
    cli: Cli, model: Path, broken_output: IO[bytes]
) -> None:
    words = ("serve", "-d", "-q", "--reuse", *SMALL, str(model))
    name = cli.run(*words).out.strip()
    with cli.start(*words, stdout=broken_output) as process:
        process.communicate()
    stopped = cli.run("stop", "--all")

    assert process.returncode in {5, 141}
    assert stopped.out.strip() == name


def test_a_port_is_published_and_asks_for_the_key_that_the_environment_names(
    cli: Cli, model: Path
) -> None:
    port, env = free_port(), {"RAMALAMA_API_KEY": KEY}
    started = cli.run("serve", "-d", *SMALL, f"--port={port}", str(model), env=env)
    answers = [status(port), status(port, "wrong"), status(port, KEY)]
    pages = [readers_of(port, origin) for origin in ("https://evil.example", "http://localhost")]
    (container,) = cli.containers()
    log = cli.run("logs", started.out.strip())
    cli.run("stop", "--all")

    assert started.code == 0
    assert f"http://127.0.0.1:{port}/v1" in started.err
    assert answers == [401, 401, 200]
    assert pages == [None, "http://localhost"]
    assert KEY not in json.dumps(container) + started.out + started.err + log.out


@pytest.mark.parametrize("option", ["--api-key", "--api-key-file"])
@on_podman
def test_a_key_can_be_given_by_option_and_by_file(cli: Cli, model: Path, option: str) -> None:
    port, file = free_port(), cli.home / "key"
    file.write_text(f"{KEY}\n")
    value = KEY if option == "--api-key" else str(file)
    cli.run("serve", "-d", *SMALL, f"--port={port}", f"{option}={value}", str(model))
    answers = [status(port), status(port, KEY)]
    cli.run("stop", "--all")

    assert answers == [401, 200]


@on_podman
def test_every_address_of_the_machine_can_be_asked_for(cli: Cli, model: Path) -> None:
    port = free_port()
    cli.run("serve", "-d", *SMALL, "--host=0.0.0.0", f"--port={port}", str(model))
    (row,) = json.loads(cli.run("ps", "--json").out)
    answered = status(port)
    cli.run("stop", "--all")

    assert row["ports"] == [f"0.0.0.0:{port}"]
    assert row["address"] == f"127.0.0.1:{port}"
    assert answered == 401


@on_podman
def test_a_port_that_the_engine_does_not_connect_with_the_server_is_an_error(
    cli: Cli, model: Path
) -> None:
    """The network of rootful Podman has no IPv6; its port is taken, but nothing answers there."""
    done = cli.run("serve", "-d", *SMALL, "--host=::1", f"--port={free_port()}", str(model))

    assert (done.code, cli.containers()) == (110, [])
    assert re.search(
        r"the server listens in its container, but nothing answers at \[::1\]:\d+; "
        r"does the container's network have IPv6\?",
        done.err,
    )


def test_what_runs_with_the_same_options_is_used_again(cli: Cli, model: Path) -> None:
    first = cli.run("serve", "-d", "-q", *SMALL, str(model))
    second = cli.run("serve", "-d", "-q", "--reuse", *SMALL, str(model))
    other = cli.run("serve", "-d", "-q", "--reuse", "--ctx-size=512", str(model))
    cli.run("stop", "--all")

    assert first.out == second.out
    assert other.out != first.out


@pytest.mark.parametrize(("more", "is_used"), [((), True), (("--threads=2",), False)])
def test_run_asks_a_server_that_runs_with_its_options_and_leaves_it(
    cli: Cli, model: Path, more: tuple[str, ...], *, is_used: bool
) -> None:
    name = cli.run("serve", "-d", "-q", *SMALL, "--threads=1", str(model)).out.strip()
    options = (*SMALL, "--threads=1", *more, "--max-tokens=4")
    answered = cli.run("run", *options, str(model), "Name a colour.")
    (left,) = cli.containers()
    log = cli.run("logs", name).out
    cli.run("stop", "--all")

    assert answered.code == 0
    assert answered.out.strip()
    assert left["Name"].strip("/") == name
    assert ("stop processing" in log) == is_used


@on_podman
def test_it_goes_when_its_time_is_over_and_somebody_looks(cli: Cli, model: Path) -> None:
    cli.run("serve", "-d", "-q", "--keep-alive=1s", *SMALL, str(model))
    assert len(cli.containers()) == 1

    def look() -> bool:
        cli.run("ps")
        return not cli.containers()

    assert eventually(look)
    assert cli.leftovers() == []


@pytest.mark.parametrize("moment", ["api.sock", "engine"])
@on_podman
def test_the_next_command_removes_what_a_killed_one_left(
    cli: Cli, model: Path, moment: str
) -> None:
    with cli.start("serve", *SMALL, str(model)) as process:
        eventually(lambda: [*cli.run_dir.glob(f"*/{moment}")])
        process.kill()
        process.communicate()

    assert cli.run("ps", "--noheading") == Done(code=0)
    assert cli.leftovers() == []


@on_podman
def test_a_server_that_ends_by_itself_ends_the_command_with_its_cause(
    cli: Cli, model: Path
) -> None:
    with cli.start("serve", "-q", "--name=ends", *SMALL, str(model)) as process:
        eventually(lambda: [*cli.run_dir.glob("*/api.sock")])
        eventually(lambda: cli.run("logs", "ends").out.count("listening"))
        cli.engine("kill", "--signal=KILL", "ends")
        done = finish(process)

    assert done.code == 137
    assert done.err.startswith("Error: the llama.cpp server of")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--network=none", "--port=8080"], 22, "--port requires a network"),
        (["--network=none", "--host=0.0.0.0"], 22, "require a network"),
        (["--host=localhost"], 22, "'localhost' is not an IP address"),
        (["--api-key=a b"], 22, "the API key is not 1 to 512 printable"),
        (["--api-key-file=/no/such"], 22, "cannot read the API key in /no/such"),
        (["--keep-alive=soon"], 2, "is not a duration"),
    ],
)
@on_podman
def test_what_makes_no_sense_is_refused_in_a_line(
    cli: Cli, model: Path, words: list[str], code: int, said: str
) -> None:
    done = cli.run("serve", *words, str(model))

    assert done.code == code
    assert said in done.complaint
    assert cli.containers() == []


@on_podman
def test_a_dry_run_prints_the_line_and_starts_nothing(cli: Cli, model: Path) -> None:
    done = cli.run("serve", "--dryrun", "--port=9000", "--api-key=open-sesame", str(model))

    assert done.out.startswith("podman run --detach ")
    assert "127.0.0.1:9000:8080" in done.out
    assert KEY not in done.out
    assert cli.containers() == []
