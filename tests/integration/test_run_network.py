"""`--network`: a port of 127.0.0.1, and a key that nobody learns."""

from __future__ import annotations

import json
import signal
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from tests.integration.cli import (
    ENDLESS,
    PROMPT,
    ROOTFUL,
    SMALL,
    Cli,
    Done,
    eventually,
    finish,
    saying,
)
from tests.integration.served import Served, serving

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

pytest_plugins = ["tests.integration.users"]
pytestmark = pytest.mark.engines

LOOPBACK = "0100007F"  # 127.0.0.1 as proc_net_tcp(5) writes it
LISTENS = "0A"


@pytest.fixture(scope="module", params=ROOTFUL)
def published(request: pytest.FixtureRequest) -> Generator[Served]:
    """A server on the engine's default network."""
    with serving(request, request.param, "--network=bridge") as server:
        yield server


def port_of(served: Served) -> int:
    ((binding,),) = served.container["NetworkSettings"]["Ports"].values()
    return int(binding["HostPort"])


def key_of(cli: Cli) -> str:
    (file,) = eventually(lambda: [*cli.run_dir.glob("*/api-key")])
    return eventually(file.read_text).strip()


def listeners(port: int) -> Iterator[str]:
    """Yield the addresses of this host that listen on *port*, as the kernel writes them."""
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            address, _, number = local.partition(":")
            if state == LISTENS and int(number, 16) == port:
                yield address


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def test_only_loopback_is_bound(published: Served) -> None:
    assert set(listeners(port_of(published))) == {LOOPBACK}


@pytest.mark.parametrize("path", ["/v1/models", "/props", "/slots", "/metrics"])
def test_without_the_key_every_request_is_refused(published: Served, path: str) -> None:
    address = f"http://127.0.0.1:{port_of(published)}{path}"
    wrong = {"Authorization": "Bearer none"}

    assert [httpx2.get(address).status_code, httpx2.get(address, headers=wrong).status_code] == [
        401,
        401,
    ]


def test_with_the_key_it_answers(published: Served) -> None:
    address = f"http://127.0.0.1:{port_of(published)}/v1/models"
    headers = {"Authorization": f"Bearer {key_of(published.cli)}"}

    assert httpx2.get(address, headers=headers).status_code == 200


def test_the_prompt_loop_talks_over_the_port(published: Served) -> None:
    published.terminal.sendline("Hello!")
    published.terminal.expect("[a-zA-Z]+")
    published.terminal.expect_exact(PROMPT)


def test_the_key_is_in_a_file_of_the_callers_and_nowhere_else(published: Served) -> None:
    key = key_of(published.cli)
    client = Path("/proc", str(published.terminal.pid))
    told = [
        json.dumps(published.container),
        *published.argv,
        str(published.env),
        (client / "cmdline").read_text(),
        (client / "environ").read_text(),
        published.cli.engine("logs", published.id),
    ]

    assert len(key) >= 32
    assert not [text for text in told if key in text]
    mode = (published.directory() / "api-key").stat().st_mode
    assert (stat.S_IMODE(mode), [p.name for p in published.directory().iterdir()]) == (
        0o600,
        ["api-key"],
    )


def test_the_server_may_read_the_key_and_not_change_it(published: Served) -> None:
    assert "Read-only" in published.inside("rm /run/ramalama/api-key 2>&1; true")


def test_all_other_locks_stay_on(published: Served) -> None:
    assert int(published.status("CapEff")[0], 16) == 0
    assert published.status("NoNewPrivs") == ["1"]
    assert published.container["HostConfig"]["ReadonlyRootfs"] is True


def test_port_chooses_the_port(cli: Cli, model: Path) -> None:
    port = free_port()
    with cli.prompt_loop(*SMALL, "--network=bridge", f"--port={port}", str(model)) as terminal:
        container = cli.container_of(terminal.pid)

        assert set(listeners(port)) == {LOOPBACK}
        assert container is not None
        assert container["Config"]["Labels"]["ai.ramalama.port"] == str(port)


@pytest.mark.parametrize("options", [(), ("--port",)], ids=["any port", "--port"])
def test_on_the_hosts_network_it_listens_on_loopback_too_and_asks_for_the_key(
    cli: Cli, model: Path, options: tuple[str, ...]
) -> None:
    port = [str(free_port())] if options else []
    words = (*SMALL, *saying("Yes."), "--network=host", *options, *port)
    with cli.prompt_loop(*words, str(model)) as terminal:
        container = cli.container_of(terminal.pid)
        assert container is not None
        arguments = container["Args"]
        listened = int(arguments[arguments.index("--port") + 1])
        terminal.sendline("Are you?")
        terminal.expect_exact(f"Yes.\r\n{PROMPT}")

        assert not port or port == [str(listened)]
        assert set(listeners(listened)) == {LOOPBACK}
        assert httpx2.get(f"http://127.0.0.1:{listened}/props").status_code == 401


def test_a_named_network_is_joined(cli: Cli, model: Path) -> None:
    cli.engine("network", "create", "named-by-a-test")
    try:
        words = (*SMALL, *saying("Yes."), "--network=named-by-a-test", str(model), "Are you?")
        done = cli.run("run", *words)
    finally:
        cli.engine("network", "rm", "named-by-a-test")

    assert done == Done(code=0, out="Yes.\n")


@pytest.mark.parametrize("cli", ["podman"], indirect=True)
def test_debug_tells_everything_but_the_key(cli: Cli, model: Path) -> None:
    with cli.start("run", "--debug", "--network=bridge", *ENDLESS, str(model), "Hi") as process:
        key = key_of(cli)
        assert process.stdout is not None
        process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        done = finish(process)

    assert "/containers/create" in done.err
    assert key not in done.err
