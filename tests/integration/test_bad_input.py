"""What makes no sense: one line that says so, the right exit code, and nothing left behind."""

from __future__ import annotations

import os
import re
import socket
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest

from ramalama_engines import EngineKind
from ramalama_engines.discovery.connection import open_engine
from tests.integration.cli import SMALL, Cli, Done, saying
from tests.lab.service import program

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.lab.account import Account

pytest_plugins = ["tests.integration.users"]
pytestmark = pytest.mark.engines

on_podman = pytest.mark.parametrize("cli", ["podman"], indirect=True)
on_docker = pytest.mark.parametrize("cli", ["docker"], indirect=True)


_NO_MODEL = (
    "is a directory; name the .gguf file in it, or a directory with config.json and safetensors "
    "files"
)


def gguf(order: str, version: int) -> bytes:
    return b"GGUF" + struct.pack(f"{order}IQQ", version, 0, 0) + bytes(100)


@pytest.mark.parametrize(
    ("content", "code", "complaint"),
    [
        pytest.param(None, 2, "no such model file: {path}", id="missing"),
        pytest.param(b"", 22, "{path} is empty", id="empty"),
        pytest.param(b"GGUF\3\0", 22, "{path} is cut off after 6 bytes", id="header cut off"),
        pytest.param(
            b"hello", 22, "{path} is not a GGUF file (it begins with b'hell')", id="not GGUF"
        ),
        pytest.param(
            gguf(">", 3),
            1,
            "{path} is a big-endian model; this machine is little-endian",
            id="big-endian",
        ),
        pytest.param(
            gguf("<", 1),
            22,
            "{path} is GGUF of version 1, which no server reads any more",
            id="old GGUF",
        ),
    ],
)
@on_podman
def test_a_file_that_is_no_model(
    cli: Cli, content: bytes | None, code: int, complaint: str
) -> None:
    path = cli.home / "model.gguf"
    if content is not None:
        path.write_bytes(content)
    done = cli.run("run", str(path), "Hello!")

    assert (done.code, done.complaint) == (code, complaint.format(path=path))


@on_podman
def test_a_path_that_is_no_file(cli: Cli) -> None:
    fifo = cli.home / "fifo.gguf"
    os.mkfifo(fifo)

    for path, complaint in [
        (cli.home, _NO_MODEL),
        (fifo, "is not a regular file"),
    ]:
        done = cli.run("run", str(path), "Hello!")
        assert (done.code, done.complaint) == (22, f"{path} {complaint}")


@on_podman
def test_a_split_model_with_a_part_missing(cli: Cli, model: Path) -> None:
    (cli.home / "m-00001-of-00002.gguf").hardlink_to(model)
    done = cli.run("run", str(cli.home / "m-00001-of-00002.gguf"), "Hello!")

    missing = cli.home / "m-00002-of-00002.gguf"
    assert (done.code, done.complaint) == (2, f"no such model file: {missing}")


@on_podman
def test_a_model_that_only_roots_privileges_open(cli: Cli, model: Path, account: Account) -> None:
    private = cli.home / "private.gguf"
    private.write_bytes(model.read_bytes()[:4096])
    os.chown(private, account.uid, account.gid)
    private.chmod(0o600)
    done = cli.run("run", str(private), "Hello!")

    assert done.code == 5
    assert done.complaint.startswith(f"{private} can only be read with root's privileges")


@pytest.mark.parametrize(
    "reference",
    [
        "ollama://127.0.0.1:9/org/x",
        "oci://127.0.0.1:9/x",
        "https://127.0.0.1:9/m.gguf",
        "hf://org/repo",
        "ms://org/repo",
    ],
)
@on_podman
def test_a_registry_that_is_not_there(cli: Cli, reference: str) -> None:
    nobody = {"HF_ENDPOINT": "http://127.0.0.1:9", "MODELSCOPE_ENDPOINT": "http://127.0.0.1:9"}
    done = cli.run("run", reference, "Hello!", env=nobody)

    *retries, complaint = done.err.splitlines()
    why = "127.0.0.1:9 cannot be used: Connection refused"
    assert done.code == 22
    assert all(re.fullmatch(rf".*: {why}; trying again in [0-9]+ s", line) for line in retries)
    assert re.fullmatch(
        rf"Error: .* cannot be pulled: {why}; check the address, the network and the proxy",
        complaint,
    )


@pytest.mark.parametrize("reference", [" ", "-", "hf://a", "ollama://x y", "ftp://x/m.gguf"])
@on_podman
def test_a_reference_that_names_nothing(cli: Cli, reference: str) -> None:
    done = cli.run("run", "--", reference, "Hello!")

    assert done.code == 22
    assert done.complaint.startswith(f"{reference!r} does not name a model: ")


@pytest.mark.parametrize(
    "path", ["no 'such' \"file\"", "a\nb", "-x", "ü🦭", "\x1b[31mred", "\udcff", "x" * 300]
)
@on_podman
def test_odd_names_are_quoted_so_that_they_stay_on_the_line(cli: Cli, path: str) -> None:
    done = cli.run("run", f"./{path}", "Hello!")

    assert done.code in {2, 5}  # a name of 300 letters is one that no file can have
    assert "\x1b" not in done.complaint


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--runtime=mlx"], "'mlx' is not one of llama.cpp, vllm"),
        (["--model-draft="], "--model-draft"),
        (["--ctx-size=many"], "'many' is not a whole number of 0 or more"),
        (["--ctx-size", "-5"], "'-5' is not a whole number of 0 or more"),
        (["--ngl=some"], "'some' is not a whole number of -1 or more"),
        (["--threads=0"], "'0' is not a whole number of 1 or more"),
        (["--temp=nan"], "'nan' is not a temperature of 0 or more"),
        (["--seed=x"], "'x'"),
        (["--runtime-args='"], "no closing quotation"),
        (["--keepalive=0"], "a duration must be longer than zero"),
        (["--keepalive=5 min"], "'5 min' is not a duration"),
        (["--color=pink"], "'pink'"),
        (["--pull=sometimes"], "'sometimes'"),
        (["--selinux=maybe"], "'maybe' is not true or false"),
        (["--tls-verify="], "'' is not true or false"),
        (["--engine=lxc"], "'lxc'"),
        (["--device=null"], "'null'"),
        (["--device=/dev/null:/dev/x:rwz"], "SRC[:DST[:PERMISSIONS]]"),
        (["--env==x"], "NAME or NAME=VALUE"),
        (["--env="], "--env"),
        (["--port=0", "--network=bridge"], "a whole number from 1 to 65535"),
        (["--port=70000", "--network=bridge"], "a whole number from 1 to 65535"),
        (["--name="], "--name"),
        (["--image="], "--image"),
        (["--network="], "--network"),
        (["--nonsense"], "--nonsense"),
        (["--debug", "--quiet"], "not allowed with"),
    ],
    ids=str,
)
@on_podman
def test_a_value_that_an_option_cannot_take(
    cli: Cli, model: Path, words: list[str], complaint: str
) -> None:
    done = cli.run("run", *words, str(model), "Hello!")

    assert done.code == 2
    assert complaint in done.complaint
    assert done.complaint.endswith("see `ramalama run --help`")


@on_podman
def test_a_run_without_a_model(cli: Cli) -> None:
    done = cli.run("run")

    assert (done.code, done.complaint) == (2, "MODEL is missing; see `ramalama run --help`")


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (["--port=8080"], 22, "--port requires a network"),
        (["--network=container:x"], 22, "network mode 'container:x' cannot publish a port"),
        (["--network=no-such"], 38, "no-such"),
        (["--network=a b\nc"], 38, "network"),
        (["--image=localhost/none:1", "--pull=never"], 125, "the pull policy is never"),
        (["--image=127.0.0.1:9/x:1"], 125, "the registry cannot be reached"),
        (["--image=a b"], 22, "'a b' is not an image reference"),
        (["--image=-x"], 22, "'-x' is not an image reference"),
        (["--image=x\ny"], 22, "is not an image reference"),
        (["--image=ü"], 22, "'ü' is not an image reference"),
        (["--authfile=/no/such/file", "--pull=always"], 125, "/no/such/file does not exist"),
        (["--name=a b"], 38, "[a-zA-Z0-9][a-zA-Z0-9_.-]"),
        (["--name=-x"], 38, "[a-zA-Z0-9][a-zA-Z0-9_.-]"),
        (["--name=x\ny"], 38, "[a-zA-Z0-9][a-zA-Z0-9_.-]"),
        (["--name=é"], 38, "[a-zA-Z0-9][a-zA-Z0-9_.-]"),
        (["--keep-groups"], 38, "groups"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_refused(
    cli: Cli, model: Path, words: list[str], code: int, complaint: str
) -> None:
    done = cli.run("run", "--quiet", *words, str(model), "Hello!")

    assert done.code == code
    assert complaint in done.complaint


@pytest.mark.parametrize("path", ["/dev/no-such", "/dev/with a\nnewline", "/etc/hostname"])
def test_a_device_that_is_not_there_or_none(cli: Cli, model: Path, path: str) -> None:
    done = cli.run("run", f"--device={path}", str(model), "Hello!")

    assert done.code == 22
    assert path.replace("\n", "\\n") in done.complaint or "device" in done.complaint
    assert cli.containers() == []


def test_an_image_without_the_server_is_named_and_nothing_stays(
    cli: Cli, model: Path, tmp_path: Path
) -> None:
    image = "localhost/without-a-server:1"
    (tmp_path / "Containerfile").write_text("FROM scratch\nCOPY Containerfile /\n")
    with open_engine(EngineKind(cli.service.kind), cli.url) as engine:
        engine.build(tmp_path, tag=image, build_args={})
    done = cli.run("run", f"--image={image}", str(model), "Hello!")

    assert done.code == 22
    assert "llama-server" in done.complaint
    assert f"(image {image}, runtime llama.cpp)" in done.complaint
    assert cli.containers() == []


@pytest.mark.parametrize("runtime", ["mlx", "VLLM", ""])
@on_podman
def test_a_runtime_that_a_setting_names_and_nobody_knows(
    cli: Cli, model: Path, runtime: str
) -> None:
    (cli.home / "config/ramalama").mkdir()
    settings = cli.home / "config/ramalama/ramalama.conf"
    settings.write_text(f'[ramalama]\nruntime = "{runtime}"\n')
    done = cli.run("run", str(model), "Hello!")

    assert done.code == 22
    assert f"is {runtime!r}, which is not one of llama.cpp, vllm" in done.complaint


@on_podman
def test_podman_says_how_to_get_another_oci_runtime(cli: Cli, model: Path) -> None:
    done = cli.run("run", "--oci-runtime=crun", str(model), "Hello!")

    assert done.code == 38
    assert "containers.conf" in done.complaint


@on_docker
def test_docker_names_the_oci_runtimes_that_it_has(cli: Cli, model: Path) -> None:
    done = cli.run("run", "--oci-runtime=no-such", str(model), "Hello!")

    assert (done.code, "runc" in done.complaint) == (22, True)


def test_a_port_that_is_taken(cli: Cli, model: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = cli.run("run", "--network=bridge", f"--port={port}", str(model), "Hello!")

    assert done.code == 125
    assert str(port) in done.complaint


def test_a_port_that_is_taken_on_the_hosts_own_network(cli: Cli, model: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = cli.run("run", "--network=host", f"--port={port}", str(model), "Hello!")

    assert done.code == 22
    assert done.complaint == f"port {port} of 127.0.0.1 cannot be used: Address already in use"


def test_a_name_that_is_taken(cli: Cli, model: Path) -> None:
    with cli.prompt_loop(*SMALL, "--name=taken", str(model)):
        done = cli.run("run", "--name=taken", str(model), "Hello!")

    assert done.code == 125
    assert "taken" in done.complaint


def test_odd_values_that_make_sense_are_taken_as_they_are(cli: Cli, model: Path) -> None:
    options = ("--env=A B='\"\n\\$x", "--env=ü=🦭", "--prefix=\n\t'", "--name=a_b.c-d")
    done = cli.run("run", *options, *SMALL, *saying("Yes."), str(model), "'\"\\ \n $x")

    assert done == Done(code=0, out="Yes.\n")


@pytest.fixture
def full_disk(cli: Cli) -> Generator[Path]:
    """A file system where not one more directory can be made."""
    path = cli.home / "full"
    path.mkdir()
    mount = [program("mount"), "-t", "tmpfs", "-o", "nr_inodes=1", "tmpfs", str(path)]
    subprocess.run(mount, check=True)
    yield path
    subprocess.run([program("umount"), str(path)], check=True)


@on_podman
def test_a_full_disk(cli: Cli, model: Path, full_disk: Path) -> None:
    done = cli.run("run", str(model), "Hello!", env={"XDG_RUNTIME_DIR": str(full_disk)})

    assert done.code == 22
    assert "No space left on device" in done.complaint


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("unix:///no/such.sock", "it does not exist"),
        ("tcp://127.0.0.1:9", "no process listens there"),
        ("nonsense", "does not begin with unix:"),
        ("unix:///etc/hostname", "/etc/hostname"),
    ],
)
def test_an_engine_that_is_not_there(cli: Cli, model: Path, address: str, complaint: str) -> None:
    done = cli.at(address).run("run", str(model), "Hello!")

    assert done.code == 125
    assert complaint in done.complaint


@on_podman
def test_another_engine_than_the_one_asked_for(cli: Cli, model: Path) -> None:
    env = {"DOCKER_HOST": cli.service.url}
    done = cli.run("run", "--engine=docker", str(model), "Hello!", env=env)

    assert done.code == 125
    assert "podman answers there, but --engine requests docker" in done.complaint


@on_podman
def test_a_runtime_directory_that_others_may_write_to(cli: Cli, model: Path) -> None:
    cli.run_dir.mkdir()
    cli.run_dir.chmod(0o777)
    done = cli.run("run", str(model), "Hello!")

    assert done.code == 22
    assert f"{cli.run_dir} is not a private directory" in done.complaint


@on_podman
def test_a_configuration_file_that_makes_no_sense(cli: Cli, model: Path) -> None:
    (cli.home / "config/ramalama").mkdir()
    (cli.home / "config/ramalama/ramalama.conf").write_text("[ramalama\n")
    done = cli.run("run", str(model), "Hello!")

    assert done.code == 22
    assert "ramalama.conf" in done.complaint
