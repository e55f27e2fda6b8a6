"""An engine on another host: the model, the chat and the clean-up come along, over ssh."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx2
import pytest

from ramalama.system.ports import free_port
from tests.integration.cli import (
    EVERYWHERE,
    PROMPT,
    RAMALAMA,
    SMALL,
    before,
    eventually,
    saying,
)
from tests.integration.far import FarCli, far_user
from tests.lab import llama_stack
from tests.lab.service import program
from tests.lab.sshd import SshService, sshd

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.integration.cli import Cli
    from tests.lab.hidden import Hidden
    from tests.lab.service import EngineService

pytest_plugins = ["tests.integration.users"]
pytestmark = [pytest.mark.engines, pytest.mark.programs("sshd", "ssh-keygen", "nsenter")]

LONG: Final = ("--ctx-size=2048", "--temp=0")
ENDLESS: Final = (*LONG, "--runtime-args=--ignore-eos")


@pytest.fixture(params=EVERYWHERE)
def far(request: pytest.FixtureRequest, own: Hidden, far_sshd: SshService) -> Generator[FarCli]:
    """A user of each engine in turn."""
    service: EngineService = request.getfixturevalue(f"{request.param}_service")
    with far_user(service, own, far_sshd) as user:
        yield user


only_podman: Final = pytest.mark.parametrize("far", ["podman"], indirect=True)


@pytest.fixture
def far_model(own: Hidden, model: Path) -> str:
    """The path of a model that the engine cannot see."""
    return str(own.directory / model.name)


def test_a_model_of_this_host_answers_on_another_one_and_is_sent_once(
    far: FarCli, far_model: str
) -> None:
    first = far.run("run", *SMALL, "--max-tokens=4", far_model, "Hello!")
    second = far.run("run", *SMALL, "--max-tokens=4", far_model, "Hello!")
    listed = json.loads(far.run("list", "--engine-side", "--json").out)
    freed = far.run("gc", "--engine-side")

    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert first.out == second.out != ""
    assert "Sending the model" in first.err
    assert "Sending the model" not in second.err
    assert [Path(each["place"]).parent for each in listed] == [far.far_store]
    assert freed.out.strip() == listed[0]["place"]
    assert list(far.far_store.iterdir()) == []


def test_with_an_engine_of_this_host_there_are_no_copies_which_is_said(cli: Cli) -> None:
    listed = cli.run("list", "--engine-side", "--noheading")
    freed = cli.run("gc", "--engine-side")

    said = "The engine runs on this host, where models are used without a copy.\n"
    assert (listed.out, listed.err) == ("", said)
    assert (freed.out, freed.err) == ("", f"{said}Freed 0 B\n")


@only_podman
def test_a_server_on_another_host_is_listed_used_again_and_stopped(
    far: FarCli, far_model: str
) -> None:
    started = far.run("serve", "-d", *SMALL, far_model)
    name = started.out.strip()
    listed = far.run("ps", "--noheading")
    log = far.run("logs", name)
    answer = far.run("run", *SMALL, "--max-tokens=4", far_model, "Hello!")
    containers = len(far.containers())
    stopped = far.run("stop", name)

    assert started.code == 0, started.err
    assert "`ramalama serve --reuse` with the same options" in started.err
    assert listed.out.strip()
    assert "listening" in log.out
    assert (answer.code, containers) == (0, 1), answer.err
    assert answer.out.strip()
    assert stopped.code == 0
    assert far.far_servers == []


@only_podman
def test_a_server_elsewhere_has_an_address_here_which_is_said(far: FarCli, far_model: str) -> None:
    far.run("serve", "-d", *SMALL, "--name=kept", far_model)
    with far.start("serve", "--reuse", *SMALL, far_model) as process:
        address = _address_in(process)
        with httpx2.Client(transport=httpx2.HTTPTransport(uds=address[7:])) as client:
            by_socket = client.get("http://localhost/health").status_code
    stopped = far.run("stop", "kept")

    assert address.startswith(f"unix://{far.run_dir}/")
    assert by_socket == 200
    assert stopped.code == 0


@only_podman
def test_a_port_of_a_server_elsewhere_is_the_same_here_unless_it_is_taken(
    far: FarCli, far_model: str
) -> None:
    port = free_port(None)
    with far.start("serve", f"--port={port}", *SMALL, far_model) as process:
        address = _address_in(process)
        assert process.stderr is not None
        notice = process.stderr.readline()
        health = httpx2.get(address.replace("/v1", "/health")).status_code

    # The other host is this one, so the engine has taken the port.
    assert notice == f"Notice: port {port} of this host is not free, so another one is used\n"
    assert health == 200


def _address_in(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    said = next(line for line in process.stderr if " is served at " in line)
    address, host = said.partition(" is served at ")[2].split(", which leads to ")
    assert host == "root@127.0.0.1\n"
    return address


@only_podman
def test_the_next_command_removes_what_a_killed_one_left_there(far: FarCli, far_model: str) -> None:
    with far.start("run", *ENDLESS, far_model, "Count!") as process:
        assert process.stdout is not None
        process.stdout.read(1)
        there = far.far_servers
        process.kill()
    listed = far.run("ps", "--noheading")

    assert len(there) == 1
    assert listed.out == ""
    assert far.containers() == []
    assert far.far_servers == []


@only_podman
def test_a_prompt_that_is_lost_before_its_answer_begins_is_sent_again_which_is_said(
    far: FarCli, far_model: str
) -> None:
    notice = "Notice: the connection to root@127.0.0.1 was lost; the prompt is sent again"
    with far.prompt_loop(*LONG, *saying("Hello."), far_model) as child:
        child.sendline("word " * 800)
        child.expect_exact("Processing the prompt")
        far.ssh.cut()
        child.expect_exact(notice)
        child.expect_exact(PROMPT)
        said = before(child)

    assert "Hello." in said
    assert "Error" not in said


@only_podman
def test_a_dry_run_for_a_host_that_does_not_exist_connects_to_nothing(
    far: FarCli, far_model: str
) -> None:
    done = far.at("ssh://me@nowhere.invalid/run/user/1000/podman/podman.sock").run(
        "--dryrun", "run", far_model
    )

    assert done.code == 0, done.err
    assert done.out.startswith("podman --url=ssh://me@nowhere.invalid/")


@only_podman
def test_a_server_of_another_host_is_removed_when_its_lease_is_over(
    far: FarCli, far_model: str
) -> None:
    elsewhere = (program("unshare"), "--pid", "--fork", "--mount-proc", "--kill-child")
    words = far.own.command(*elsewhere, RAMALAMA, "run", *ENDLESS, far_model, "Count!")
    run_dir = far.home / "elsewhere"  # the other host has its own
    run_dir.mkdir(mode=0o700)
    env = {**far.env, "XDG_RUNTIME_DIR": str(run_dir)}
    with subprocess.Popen(
        words, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        (name,) = far.far_servers
        process.kill()
    fresh = far.run("ps", "--noheading")
    lease = Path("/run/ramalama", name, "lease")
    an_hour_ago = time.time() - 3600
    os.utime(lease, (an_hour_ago, an_hour_ago))
    over = far.run("ps", "--noheading")

    assert fresh.out.strip()
    assert over.out == ""
    assert far.far_servers == []


@only_podman
def test_a_full_disk_there_is_told_before_the_first_byte(
    far: FarCli, far_model: str, lab: Path
) -> None:
    small = lab / "small"
    with sshd(small) as service:
        subprocess.run(
            [program("mount"), "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(service.far / "root")],
            check=True,
        )
        try:
            url = f"ssh://root@127.0.0.1:{service.port}{far.service.socket}"
            env = {"HOME": str(service.home), "RAMALAMA_ENGINE_URL": url}
            done = far.run("run", *SMALL, far_model, "Hello!", env=env)
            left = list((service.far / "root/.local/share/ramalama/engine-side").iterdir())
        finally:
            subprocess.run([program("umount"), str(service.far / "root")], check=True)

    assert done.code == 125
    assert "are free in" in done.err
    assert "gc --engine-side" in done.err
    assert left == []


@only_podman
@pytest.mark.parametrize("change", [{"run_dir": "/proc/nothing"}, {"uid": 4321}], ids=str)
def test_what_turns_out_to_be_wrong_about_a_host_is_found_out_anew(
    far: FarCli, far_model: str, change: dict[str, object]
) -> None:
    first = far.run("run", *SMALL, "--max-tokens=2", far_model, "Hello!")
    (known,) = far.run_dir.glob("host-*.json")
    known.write_text(json.dumps({**json.loads(known.read_text()), **change}))
    wrong = far.run("run", *SMALL, "--max-tokens=2", far_model, "Hello!")
    again = far.run("run", *SMALL, "--max-tokens=2", far_model, "Hello!")

    assert (first.code, again.code) == (0, 0), first.err + again.err
    assert wrong.code == 125
    assert wrong.complaint
    assert again.out == first.out


@only_podman
def test_a_kept_server_of_another_user_of_this_host_is_left_alone(
    far: FarCli, far_model: str
) -> None:
    started = far.run("serve", "-d", *SMALL, far_model)
    other_run_dir = far.home / "other"
    other_run_dir.mkdir(mode=0o700)
    other = {"XDG_RUNTIME_DIR": str(other_run_dir)}
    knows = far.run("run", *SMALL, "--max-tokens=2", far_model, "Hello!", env=other)
    far.run("ps", env=other)
    kept = far.far_servers
    answer = far.run("run", *SMALL, "--max-tokens=2", far_model, "Hello!")
    stopped = far.run("stop", started.out.strip())

    assert (started.code, knows.code) == (0, 0), started.err + knows.err
    assert len(kept) == 1
    assert (answer.code, stopped.code) == (0, 0), answer.err + stopped.err


@only_podman
def test_a_stack_there_has_its_embedding_model_sent_as_the_model_is(
    far: FarCli, far_model: str, own: Hidden, embedder: Path
) -> None:
    llama_stack.ensure_light_images(far.service)
    own.copy(embedder)
    far_embedder = own.directory / embedder.name
    options = ("--api=llama-stack", f"--stack-image={llama_stack.LIGHT}", "--name=stacked", *SMALL)
    env = {"RAMALAMA_EMBEDDING_MODEL": str(far_embedder)}

    started = far.run("serve", "-d", *options, far_model, env=env)
    names = {each["Name"].strip("/") for each in far.containers()}
    loaded = eventually(lambda: "model loaded" in far.run("logs", "stacked-embeddings").out)
    again = far.run("run", *options, far_model, "Hello!", env=env)
    copies = json.loads(far.run("list", "--engine-side", "--json").out)
    unused = far.run("gc", "--engine-side")
    stopped = far.run("stop", "stacked")
    far.run("gc", "--engine-side")

    assert started.code == 0, started.err
    assert names == {"stacked", "stacked-stack", "stacked-embeddings"}
    assert loaded
    assert "Sending the model" not in again.err
    assert len(copies) == 2
    assert unused.out == ""
    assert (stopped.code, far.containers()) == (0, [])
    assert list(far.far_store.iterdir()) == []
