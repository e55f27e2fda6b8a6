"""`--api llama-stack` on real engines: two containers that begin, are found and end as one.

Beside the model server stands a light image in the place of Llama Stack, which starts in a moment;
test_stack_real.py has the real one.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from typing import TYPE_CHECKING, Final

import httpx2
import pytest

from tests.integration.cli import EVERYWHERE, SMALL, Cli, Done, eventually
from tests.lab import llama_stack

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

pytest_plugins = ["tests.integration.users"]
pytestmark = pytest.mark.engines

STACK: Final = ("--api=llama-stack", f"--stack-image={llama_stack.LIGHT}", *SMALL)
NAME: Final = "--name=stacked"
MADE: Final = set[str]()
WITHOUT_EMBEDDER: Final = {"RAMALAMA_EMBEDDING_MODEL": "none"}


@pytest.fixture(autouse=True)
def _images(cli: Cli) -> None:
    """Make the light images where they are missing."""
    if cli.service.url not in MADE:
        llama_stack.ensure_light_images(cli.service)
        MADE.add(cli.service.url)


def both(cli: Cli) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Inspect the container of the model server and that of the stack."""
    containers = cli.containers()
    found = {one["Config"]["Labels"]["ai.ramalama.companion"]: one for one in containers}
    assert found.keys() == {"", "llama-stack"}
    return found[""], found["llama-stack"]


@pytest.mark.parametrize("cli", EVERYWHERE, indirect=True)
def test_the_two_share_a_network_that_no_other_program_has(cli: Cli, model: Path) -> None:
    assert cli.run("serve", "-d", "--quiet", NAME, *STACK, str(model)) == Done(
        code=0, out="stacked\n"
    )

    server, stack = both(cli)
    assert server["HostConfig"]["NetworkMode"] == "none"
    assert stack["HostConfig"]["NetworkMode"] == f"container:{server['Id']}"
    with cli.server() as client:
        assert client.get("/v1/health").status_code == 200
    ask = "until wget -q -O - http://127.0.0.1:8080/health; do sleep 0.1; done"  # it loads
    if cli.service.account is None:
        assert "ok" in cli.engine("exec", "stacked-stack", "sh", "-c", ask)
    assert cli.run("stop", "stacked") == Done(code=0, out="stacked\n")
    assert cli.leftovers() == []


def test_the_stack_is_as_locked_up_as_the_model_server(cli: Cli, model: Path) -> None:
    cli.run("serve", "-d", NAME, *STACK, str(model))

    for container in both(cli):
        host = container["HostConfig"]
        assert host["ReadonlyRootfs"]
        assert not host["Privileged"]
        assert "no-new-privileges" in host["SecurityOpt"]
        assert host["Memory"] > 0
        assert host["PidsLimit"] > 0
        status = cli.engine("exec", container["Id"], "grep", "Cap", "/proc/1/status")
        assert {line.split("\t")[1] for line in status.splitlines()} == {"0" * 16}
    cli.run("stop", "stacked")


def test_ps_lists_one_server_with_the_memory_of_both(cli: Cli, model: Path) -> None:
    cli.run("serve", "-d", NAME, *STACK, str(model))

    (record,) = json.loads(cli.run("ps", "--json").out)
    table = cli.run("ps").out

    assert (record["name"], record["api"]) == ("stacked", "llama-stack")
    assert record["memory"] > 50 << 20
    assert "llama.cpp + llama-stack" in table
    assert "MEMORY" in table
    assert table.count("stacked") == 1
    cli.run("stop", "stacked")


def test_the_log_of_each_can_be_read(cli: Cli, model: Path) -> None:
    cli.run("serve", "-d", NAME, *STACK, str(model))

    assert "router mode" in cli.run("logs", "stacked-stack").out
    assert eventually(lambda: "model loaded" in cli.run("logs", "stacked").out)
    cli.run("stop", "stacked")


def test_a_dry_run_prints_a_command_for_each(cli: Cli, model: Path) -> None:
    done = cli.run("--dryrun", "run", NAME, *STACK, str(model), "hello")

    first, second = done.out.splitlines()
    assert "--network=none" in first.split()
    assert "--network=container:stacked" in second.split()
    assert "--label=ai.ramalama.companion=llama-stack" in second.split()
    assert second.split()[-1] == llama_stack.LIGHT
    assert cli.containers() == []


def test_a_port_leads_to_the_stack(cli: Cli, model: Path) -> None:
    cli.run("serve", "-d", "--network=bridge", NAME, *STACK, str(model))

    (record,) = json.loads(cli.run("ps", "--json").out)

    log = httpx2.get(f"http://{record['address']}/v1/health")
    assert log.status_code == 200
    assert "127.0.0.1:8080" not in record["ports"]
    cli.run("stop", "stacked")


def test_a_port_that_is_taken_is_named_and_nothing_stays(cli: Cli, model: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = cli.run("serve", f"--port={port}", *STACK, str(model), env=WITHOUT_EMBEDDER)

    assert done.code == 125
    assert str(port) in done.complaint
    assert cli.leftovers() == []


def test_a_second_command_uses_the_same_pair(cli: Cli, model: Path) -> None:
    cli.run("serve", "-d", NAME, *STACK, str(model))
    before = [one["Id"] for one in both(cli)]

    cli.run("serve", "-d", "--reuse", "--keep-alive=1h", *STACK, str(model))

    assert [one["Id"] for one in both(cli)] == before
    assert cli.run("stop", "--all").out == "stacked\n"
    assert cli.leftovers() == []


def test_a_stack_that_dies_is_reported_with_its_last_words(cli: Cli, model: Path) -> None:
    words = ("--api=llama-stack", f"--stack-image={llama_stack.BROKEN}", *SMALL)
    done = cli.run("run", *words, str(model), "hello")

    assert (done.code, done.out) == (3, "")
    assert "ended (exit code 3): ModuleNotFoundError: No module named ogx" in done.err
    assert f"its image is {llama_stack.BROKEN}; --stack-image names another one" in done.err
    assert cli.leftovers() == []


def test_an_image_without_the_program_is_named(cli: Cli, model: Path) -> None:
    words = ("--api=llama-stack", f"--stack-image={llama_stack.EMPTY}", *SMALL)
    done = cli.run("run", *words, str(model), "hello", env=WITHOUT_EMBEDDER)

    assert done.code == 22
    assert f"(image {llama_stack.EMPTY}, --api llama-stack)" in done.complaint
    assert cli.leftovers() == []


def test_an_image_that_does_not_listen_where_it_should_is_given_up(cli: Cli, model: Path) -> None:
    words = ("--api=llama-stack", f"--stack-image={llama_stack.DEAF}", *SMALL)
    done = cli.run("run", *words, str(model), "hello")

    assert done.code == 110
    assert "the stack listens in its container, but nothing answers at" in done.err
    assert cli.leftovers() == []


@pytest.mark.parametrize("victim", ["stacked", "stacked-stack"])
def test_a_foreground_server_ends_with_either_of_the_two(
    cli: Cli, model: Path, victim: str
) -> None:
    with cli.start("serve", NAME, *STACK, str(model), env=WITHOUT_EMBEDDER) as process:
        assert process.stderr is not None
        assert "is served at" in process.stderr.readline()
        cli.engine("kill", victim)
        code = process.wait(60)
        told = process.stderr.read()

    assert code == 137
    assert ("the stack of" in told) == (victim != "stacked")
    assert cli.leftovers() == []


def test_a_stack_whose_server_has_ended_is_removed_by_the_next_command(
    cli: Cli, model: Path
) -> None:
    cli.run("serve", "-d", NAME, *STACK, str(model))
    cli.engine("kill", "stacked")

    cli.run("ps")

    assert [one["Name"].strip("/") for one in cli.containers()] == ["stacked"]
    cli.run("stop", "stacked")


@pytest.mark.parametrize("moment", ["server", "stack", "ready"])
def test_the_next_command_removes_both_after_a_kill(cli: Cli, model: Path, moment: str) -> None:
    def has_come() -> bool:
        if moment == "ready":
            return bool([*cli.run_dir.glob("*/api.sock")])
        return len(cli.containers()) >= (1 if moment == "server" else 2)

    with cli.start("serve", *STACK, str(model)) as process:
        eventually(has_come)
        process.kill()
        process.communicate()

    assert cli.run("ps", "--noheading") == Done(code=0)
    assert cli.leftovers() == []


def test_a_signal_removes_both(cli: Cli, model: Path) -> None:
    with cli.start("serve", *STACK, str(model)) as process:
        eventually(lambda: [*cli.run_dir.glob("*/api.sock")])
        time.sleep(0.1)
        os.kill(process.pid, signal.SIGTERM)
        process.communicate(timeout=60)

    assert cli.leftovers() == []


@pytest.mark.parametrize("cli", EVERYWHERE, indirect=True)
def test_an_embeddings_server_joins_them_and_they_end_together(
    cli: Cli, model: Path, embedder: Path
) -> None:
    env = {"RAMALAMA_EMBEDDING_MODEL": str(embedder)}
    done = cli.run("serve", "-d", "--quiet", NAME, *STACK, str(model), env=env)
    assert done == Done(code=0, out="stacked\n")

    containers = {each["Name"].strip("/"): each for each in cli.containers()}
    assert containers.keys() == {"stacked", "stacked-stack", "stacked-embeddings"}
    beside = containers["stacked-embeddings"]
    assert beside["HostConfig"]["NetworkMode"] == f"container:{containers['stacked']['Id']}"
    assert beside["HostConfig"]["ReadonlyRootfs"]
    assert eventually(lambda: "model loaded" in cli.run("logs", "stacked-embeddings").out)
    (record,) = json.loads(cli.run("ps", "--json").out)
    assert record["name"] == "stacked"
    if cli.service.account is None:
        assert beside["HostConfig"]["Memory"] > 0  # rootless only with cgroup v2
        status = cli.engine("exec", "stacked-embeddings", "grep", "Cap", "/proc/1/status")
        assert {line.split("\t")[1] for line in status.splitlines()} == {"0" * 16}
        ask = (
            """wget -q -O - --post-data '{"input": "x"}' """
            "--header 'Content-Type: application/json' http://127.0.0.1:8081/v1/embeddings"
        )
        assert '"embedding"' in cli.engine("exec", "stacked-stack", "sh", "-c", ask)
    assert cli.run("stop", "stacked") == Done(code=0, out="stacked\n")
    assert cli.leftovers() == []


def test_what_to_pull_for_vector_stores_is_told(cli: Cli, model: Path) -> None:
    done = cli.run("serve", "-d", NAME, *STACK, str(model))
    silent = cli.run(
        *("serve", "-d", "--name=other", *STACK, str(model)),
        env=WITHOUT_EMBEDDER,
    )
    cli.run("stop", "--all")

    assert (
        "the stack has no vector stores: its embedding model ollama://nomic-embed-text is not on "
        "this machine; `ramalama pull ollama://nomic-embed-text` gets it" in done.err
    )
    assert "vector stores" not in silent.err


def test_a_foreground_server_ends_with_the_embeddings_server(
    cli: Cli, model: Path, embedder: Path
) -> None:
    env = {"RAMALAMA_EMBEDDING_MODEL": str(embedder)}
    with cli.start("serve", NAME, *STACK, str(model), env=env) as process:
        assert process.stderr is not None
        assert "is served at" in process.stderr.readline()
        cli.engine("kill", "stacked-embeddings")
        code = process.wait(60)
        told = process.stderr.read()

    assert code == 137
    assert "the embeddings server beside the stack of" in told
    assert cli.leftovers() == []


def test_the_next_command_removes_all_three_after_a_kill(
    cli: Cli, model: Path, embedder: Path
) -> None:
    env = {"RAMALAMA_EMBEDDING_MODEL": str(embedder)}
    with cli.start("serve", *STACK, str(model), env=env) as process:
        eventually(lambda: len(cli.containers()) == 3)
        process.kill()
        process.communicate()

    assert cli.run("ps", "--noheading") == Done(code=0)
    assert cli.leftovers() == []


def test_what_cannot_be_is_refused_before_anything_starts(cli: Cli, model: Path) -> None:
    unknown = cli.run("run", "--api=langchain", str(model), "hello")
    host = cli.run("run", "--network=host", *STACK, str(model), "hello")
    file = cli.run("run", "--runtime=vllm", *STACK, str(model), "hello")

    assert (unknown.code, host.code) == (2, 22)
    assert "'langchain' is not one of none, llama-stack, ogx" in unknown.err
    assert "use --network bridge" in host.err
    assert file.code != 0
    assert cli.containers() == []
