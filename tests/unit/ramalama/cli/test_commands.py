"""The commands as their users see them, on a Docker daemon that answers as it is told."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ramalama import __version__
from ramalama.cli import main
from ramalama.system.process_identity import ProcessIdentity
from tests.unit.engines.dockerd import Dockerd, Reply, serving
from tests.unit.ramalama.made_up import FRESH_SOCKET, GGUF

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

Capture = pytest.CaptureFixture[str]

DONE = Reply(status=204)
DEAD = replace(ProcessIdentity.of_this_process(), start=1).format()
ESCAPE = "\x1b[2J"
INFO: dict[str, object] = {
    "ServerVersion": "28.5.2",
    "DefaultRuntime": "runc",
    "Runtimes": {"runc": {}},
}
ENDED: dict[str, object] = {
    "Id": f"{1:064x}",
    "Name": "/server-1",
    "Created": "2026-11-22T16:49:10.297870789Z",
    "State": {"Status": "exited", "ExitCode": 0},
    "Config": {"Image": "img", "Labels": {"ai.ramalama": ""}},
    "NetworkSettings": {},
}


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, run_dir: Path) -> None:
    """A user without any settings, and without any engine."""
    for name in ("CONTAINER_HOST", "DOCKER_HOST", "RAMALAMA_CONFIG", "RAMALAMA_CONTAINER_ENGINE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(run_dir))


@pytest.fixture
def dockerd(monkeypatch: pytest.MonkeyPatch, run_dir: Path) -> Generator[Dockerd]:
    with serving(run_dir) as daemon:
        daemon.answer("GET /_ping", Reply(body="OK"))
        daemon.answer("GET /containers/json", Reply(body=[]))
        monkeypatch.setenv("DOCKER_HOST", daemon.url)
        yield daemon


def server(number: int = 1, *, age: timedelta = timedelta(), **changes: object) -> dict[str, Any]:
    """Describe a model server as the daemon lists it."""
    created = datetime.now(UTC) - age
    return {
        "Id": f"{number:064x}",
        "Names": [f"/server-{number}"],
        "Image": "quay.io/ramalama/ramalama:0.25",
        "Created": int(created.timestamp()),
        "State": "running",
        "Status": "Up 2 minutes",
        "Labels": {
            "ai.ramalama": "",
            "ai.ramalama.model": "file:///m.gguf",
            "ai.ramalama.engine": "docker",
            "ai.ramalama.runtime": "llama.cpp",
        },
        "Ports": [],
        **changes,
    }


def run(capsys: Capture, *words: str) -> tuple[int, str, str]:
    code = main(list(words))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_ps_is_a_table_of_the_servers_the_newest_first(dockerd: Dockerd, capsys: Capture) -> None:
    port = {"IP": "127.0.0.1", "PrivatePort": 8080, "PublicPort": 49153, "Type": "tcp"}
    old = server(1, age=timedelta(hours=3, minutes=5), Ports=[port])
    new = server(2, age=timedelta(minutes=2, seconds=5))
    dockerd.answer("GET /containers/json", Reply(body=[old, new]))
    used = {"memory_stats": {"usage": 4 << 30, "stats": {"total_inactive_file": 1 << 30}}}
    dockerd.answer(f"GET /containers/{old['Id']}/stats", Reply(body=used))

    code, out, err = run(capsys, "ps")

    short = "0" * 12
    rows = [re.split(r"  +", line) for line in out.splitlines()]
    assert rows == [
        ["CONTAINER ID", "MODEL", "RUNTIME", "CREATED", "STATUS", "MEMORY", "PORTS", "NAMES"],
        [short, "file:///m.gguf", "llama.cpp", "2 minutes ago", "running", "server-2"],
        [
            *(short, "file:///m.gguf", "llama.cpp", "3 hours ago", "running", "3.00 GB"),
            *("127.0.0.1:49153", "server-1"),
        ],
    ]
    assert (code, err) == (0, "")


@pytest.mark.usefixtures("dockerd")
@pytest.mark.parametrize(
    ("words", "out"),
    [
        (["ps"], "CONTAINER ID  MODEL  RUNTIME  CREATED  STATUS  MEMORY  PORTS  NAMES\n"),
        (["containers", "--noheading"], ""),
        (["ps", "-n"], ""),
        (["ps", "-n", "--format=table"], ""),
        (["ps", "--format", "json"], "[]\n"),
    ],
)
def test_without_servers_ps_is_empty(capsys: Capture, words: list[str], out: str) -> None:
    assert run(capsys, *words) == (0, out, "")


def test_ps_for_scripts_is_an_array_of_objects(dockerd: Dockerd, capsys: Capture) -> None:
    dockerd.answer("GET /containers/json", Reply(body=[server(1)]))

    _, out, _ = run(capsys, "ps", "--format", "json")

    (record,) = json.loads(out)
    assert datetime.fromisoformat(record.pop("created")).tzinfo is not None
    assert record == {
        "id": f"{1:064x}",
        "name": "server-1",
        "model": "file:///m.gguf",
        "runtime": "llama.cpp",
        "engine": "docker",
        "image": "quay.io/ramalama/ramalama:0.25",
        "status": "running",
        "api": None,
        "memory": None,
        "ports": [],
        "address": None,
    }


def test_ps_shows_whole_ids_when_asked(dockerd: Dockerd, capsys: Capture) -> None:
    dockerd.answer("GET /containers/json", Reply(body=[server(1)]))

    assert f"{1:064x}" in run(capsys, "ps", "--no-trunc")[1]


def test_labels_that_anybody_wrote_do_not_reach_the_terminal_raw(
    dockerd: Dockerd, capsys: Capture
) -> None:
    labels = {"ai.ramalama": "", "ai.ramalama.model": ESCAPE, "ai.ramalama.runtime": "a\nb"}
    dockerd.answer("GET /containers/json", Reply(body=[server(1, Labels=labels)]))

    _, out, _ = run(capsys, "ps")

    assert "\x1b" not in out
    assert out.count("\n") == 2


@pytest.mark.parametrize("words", [["ps"], ["stop", "--all"], ["info"]])
def test_commands_that_look_around_sweep_up_after_dead_owners(
    dockerd: Dockerd, capsys: Capture, words: list[str]
) -> None:
    orphan = server(1, Labels={"ai.ramalama": "", "ai.ramalama.owner": DEAD})
    dockerd.answer("GET /containers/json", Reply(body=[orphan]), Reply(body=[]))
    dockerd.answer(f"DELETE /containers/{1:064x}", DONE)
    dockerd.answer("GET /info", Reply(body=INFO))

    assert run(capsys, *words)[0] == 0

    assert len(dockerd.about(f"DELETE /containers/{1:064x}")) == 1


def test_stop_removes_the_servers_that_it_names_and_says_so(
    dockerd: Dockerd, capsys: Capture
) -> None:
    dockerd.answer("GET /containers/json", Reply(body=[server(1), server(2), server(3)]))
    for number in (1, 3):
        dockerd.answer(f"DELETE /containers/{number:064x}", DONE)

    assert run(capsys, "stop", "server-3", f"{1:064x}") == (0, f"server-3\n{1:064x}\n", "")
    assert dockerd.about(f"DELETE /containers/{2:064x}") == []


def test_a_name_that_is_nobodys_keeps_no_other_server_running(
    dockerd: Dockerd, capsys: Capture
) -> None:
    dockerd.answer("GET /containers/json", Reply(body=[server(1)]))
    dockerd.answer(f"DELETE /containers/{1:064x}", DONE)

    code, out, err = run(capsys, "stop", "mine", "server-1", "yours")

    assert (code, out) == (125, "server-1\n")
    assert [line.split("; ")[0] for line in err.splitlines()] == [
        "Error: there is no model server 'mine'",
        "Error: there is no model server 'yours'",
    ]


def test_stop_all_removes_every_server(dockerd: Dockerd, capsys: Capture) -> None:
    dockerd.answer("GET /containers/json", Reply(body=[server(1), server(2)]))
    for number in (1, 2):
        dockerd.answer(f"DELETE /containers/{number:064x}", DONE)

    code, out, _ = run(capsys, "stop", "-a")

    assert (code, sorted(out.split())) == (0, ["server-1", "server-2"])


@pytest.mark.usefixtures("dockerd")
def test_stopping_what_is_not_there_is_an_error_unless_ignored(capsys: Capture) -> None:
    said = "Error: there is no model server 'mine'; `ramalama ps` lists the model servers\n"

    assert run(capsys, "stop", "mine") == (125, "", said)
    assert run(capsys, "stop", "--ignore", "mine") == (0, "", "")
    assert run(capsys, "stop", "--all") == (0, "", "")


def frame(text: str) -> bytes:
    """Write *text* as one piece of stdout in a container's log."""
    return b"\1\0\0\0" + len(text.encode()).to_bytes(4, "big") + text.encode()


def test_logs_shows_a_servers_log_without_what_a_terminal_would_obey(
    dockerd: Dockerd, capsys: Capture
) -> None:
    dockerd.answer("GET /containers/json", Reply(body=[server(1)]))
    log = frame("loading\n") + frame(f"evil {ESCAPE}\nlast")
    dockerd.answer(f"GET /containers/{1:064x}/logs", Reply(body=log))
    dockerd.answer(f"GET /containers/{1:064x}/json", Reply(body=ENDED))

    code, out, err = run(capsys, "logs", "server-1", "--tail", "5")

    assert (code, out, err) == (0, "loading\nevil \\x1b[2J\nlast\n", "")
    (asked,) = dockerd.about(f"GET /containers/{1:064x}/logs")
    assert (asked.query["tail"], asked.query["follow"]) == ("5", "0")


@pytest.mark.usefixtures("dockerd")
def test_logs_of_what_is_not_there_is_an_error(capsys: Capture) -> None:
    code, out, err = run(capsys, "logs", "mine")

    assert (code, out) == (125, "")
    assert err.startswith("Error: there is no model server 'mine'")


def test_info_says_what_was_chosen_and_why(
    dockerd: Dockerd, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    dockerd.answer("GET /info", Reply(body=INFO))
    monkeypatch.setenv("RAMALAMA_TEMP", "0.5")

    code, out, err = run(capsys, "info")

    report = json.loads(out)
    assert (code, err) == (0, "")
    assert report["Version"] == __version__
    assert report["Engine"]["url"] == dockerd.url
    assert report["Engine"]["version"] == "28.5.2"
    assert report["Engine"]["Why"] == "DOCKER_HOST"
    assert report["Engine"]["Tried"] == [
        {"Url": dockerd.url, "Why": "DOCKER_HOST", "Failure": None}
    ]
    assert report["Config"]["temp"] == {"value": 0.5, "source": "RAMALAMA_TEMP"}
    assert report["Config"]["ngl"] == {"value": -1, "source": "default"}
    assert report["Cores"]["DefaultThreads"] >= 1
    assert report["Accelerator"]["reason"]


def test_an_option_says_where_the_engine_is_before_all_settings(
    dockerd: Dockerd, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    dockerd.answer("GET /info", Reply(body=INFO))
    monkeypatch.setenv("DOCKER_HOST", "unix:///absent.sock")
    monkeypatch.setenv("RAMALAMA_CONNECTION", "absent")

    code, out, _ = run(capsys, "--engine-url", dockerd.url, "info")

    report = json.loads(out)
    assert code == 0
    assert report["Engine"]["Why"] == "--engine-url"
    assert report["Config"]["engine_url"] == {"value": dockerd.url, "source": "--engine-url"}
    assert report["Config"]["connection"] == {"value": None, "source": "default"}


def test_the_engine_cannot_be_at_two_places(capsys: Capture) -> None:
    words = ("--engine-url", "unix:///x.sock", "--connection", "gpu")

    assert run(capsys, "ps", *words) == (
        *(22, ""),
        "Error: --engine-url and --connection both say where the engine is; use one of them\n",
    )


def test_a_password_in_the_address_of_the_engine_is_refused_and_not_shown(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "ssh://me:hunter2@gpu/x.sock"
    with pytest.raises(SystemExit):
        main(["ps", "--debug", "--engine-url", url])
    by_option = capsys.readouterr()
    monkeypatch.setenv("RAMALAMA_ENGINE_URL", url)
    code, out, by_variable = run(capsys, "ps", "--debug")

    reason = "not the address of an engine: it must not contain a password; use a key or an agent"
    assert (code, out, by_option.out) == (22, "", "")
    assert f"argument --engine-url: this is {reason}" in by_option.err
    assert f"RAMALAMA_ENGINE_URL is {reason}" in by_variable
    assert "hunter2" not in by_option.err + by_variable


def test_info_names_variables_and_tool_servers_without_what_may_be_secret(
    dockerd: Dockerd, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    dockerd.answer("GET /info", Reply(body=INFO))
    monkeypatch.setenv("RAMALAMA_ENV", "TOKEN=s3cret,HOME")
    monkeypatch.setenv("RAMALAMA_MCP", '{"calc": {"command": "it s3cret", "env": {"A": "s3cret"}}}')

    _, out, _ = run(capsys, "info")

    config = json.loads(out)["Config"]
    assert config["env"] == {"value": ["TOKEN", "HOME"], "source": "RAMALAMA_ENV"}
    assert config["mcp"] == {"value": ["calc"], "source": "RAMALAMA_MCP"}
    assert "s3cret" not in out


def test_info_tells_where_models_are_and_what_they_are_called(
    run_dir: Path, capsys: Capture
) -> None:
    conf = run_dir / "ramalama/shortnames.conf"
    conf.parent.mkdir()
    conf.write_text('[shortnames]\n"mine" = "hf://org/repo"\n')

    _, out, _ = run(capsys, "info", "--store", "/models")
    code, lines, _ = run(capsys, "info", "--shortnames")

    assert json.loads(out)["Store"] == "/models"
    assert json.loads(out)["Shortnames"]["Names"]["mine"] == "hf://org/repo"
    assert str(conf) in json.loads(out)["Shortnames"]["Files"]
    assert code == 0
    assert f"mine=hf://org/repo ({conf})\n" in lines


@pytest.mark.parametrize(
    ("words", "image", "says"),
    [
        (["--json"], "quay.io/ramalama/ramalama:", False),
        (["--runtime=llama.cpp"], "quay.io/ramalama/ramalama:", False),
        (["--runtime=vllm"], "quay.io/ramalama/vllm-cpu:", True),
    ],
)
@pytest.mark.usefixtures("dockerd")
def test_info_tells_the_image_of_a_runtime_and_whether_it_merely_stands_in(
    capsys: Capture, words: list[str], image: str, *, says: bool
) -> None:
    code, out, _ = run(capsys, "info", *words)

    report = json.loads(out)
    kind = report["Accelerator"]["kind"]
    assert code == 0
    if kind in ("cpu", "vulkan"):  # what machines that run these tests mostly have
        assert report["Image"].startswith(image)
    assert bool(report["ImageNote"]) is (says and kind != "cpu" and "vllm-cpu" in report["Image"])


def test_info_without_an_engine_tells_what_was_tried_and_is_no_failure(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")

    code, out, _ = run(capsys, "info")

    assert code == 0
    assert json.loads(out)["Engine"] == {
        "Error": "DOCKER_HOST says unix:///nowhere/docker.sock: it does not exist",
        "Message": "DOCKER_HOST says unix:///nowhere/docker.sock: it does not exist",
        "Hint": None,
        "Tried": [
            {
                "Url": "unix:///nowhere/docker.sock",
                "Why": "DOCKER_HOST",
                "Failure": "it does not exist",
            }
        ],
    }


@pytest.mark.parametrize("words", [["ps"], ["stop", "mine"], ["logs", "mine"]])
def test_without_an_engine_a_command_says_so_in_one_line(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")

    assert run(capsys, *words) == (
        *(125, ""),
        "Error: DOCKER_HOST says unix:///nowhere/docker.sock: it does not exist\n",
    )


def test_an_engine_of_the_other_kind_is_refused(
    dockerd: Dockerd, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTAINER_HOST", dockerd.url)

    code, _, err = run(capsys, "ps", "--engine", "podman")

    assert code == 125
    assert "docker answers there, but --engine requests podman" in err


@pytest.fixture
def model(run_dir: Path) -> Path:
    path = run_dir / "it's a model.gguf"
    path.write_bytes(GGUF)
    return path


def dry_run(capsys: Capture, *words: str) -> list[str]:
    code, out, err = run(capsys, "run", "--dryrun", *words)
    assert (code, err) == (0, "")
    assert out.count("\n") == 1
    return shlex.split(out)


def test_a_dry_run_prints_the_line_and_asks_the_engine_for_the_image_only(
    dockerd: Dockerd, capsys: Capture, model: Path
) -> None:
    line = dry_run(
        *(capsys, str(model), "why?", "--image=img", "--device=none", "-c", "512", "-t3"),
        *("--name", "mine", "--env", "A=b c", "--runtime-args", "-n 40"),
    )

    assert line[:3] == ["docker", "run", "--detach"]
    for words in (
        ["--name=mine"],
        ["--network=none"],
        ["--cap-drop=all"],
        ["--read-only"],
        ["--env=A=b c"],
        [f"--volume={model}:/mnt/models/model.gguf:ro,z"],
        ["--entrypoint=sh", "img", *FRESH_SOCKET[1:], "llama-server"],
        ["--host", "/run/ramalama/api.sock"],
        ["--model", "/mnt/models/model.gguf", "--alias", "it's a model"],
        ["--ctx-size", "512"],
        ["--threads", "3"],
        ["--parallel", "1", "--no-warmup", "-n", "40"],
    ):
        first = line.index(words[0])
        assert line[first : first + len(words)] == words
    assert "why?" not in line
    assert set(dockerd.routes()) == {"GET /_ping", "GET /images/img/json"}


@pytest.mark.usefixtures("dockerd")
@pytest.mark.parametrize("words", [["--runtime-args", "--seed 1"], ["--", "--seed", "-1", "-h"]])
def test_words_after_two_dashes_belong_to_the_prompt(
    capsys: Capture, model: Path, words: list[str]
) -> None:
    line = dry_run(capsys, str(model), "--image=img", *words)

    assert ("--seed" in line) == (words[0] == "--runtime-args")


def test_a_dry_run_writes_nothing(
    dockerd: Dockerd, capsys: Capture, model: Path, run_dir: Path
) -> None:
    before = sorted(run_dir.rglob("*"))

    dry_run(capsys, str(model), "--network", "bridge")

    assert sorted(run_dir.rglob("*")) == before
    assert all(route.startswith("GET ") for route in dockerd.routes())


@pytest.mark.usefixtures("dockerd")
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["granite:"], 22, "'' cannot be a tag"),
        (["/nowhere/m.gguf"], 2, "no such model file: /nowhere/m.gguf"),
        (["/"], 22, "/ is a directory; name the .gguf file in it"),
        (["/dev/null"], 22, "/dev/null is not a regular file"),
        (["/no\nwhere\x1b[2J"], 2, r"no such model file: /no\nwhere\x1b[2J"),
        (["MODEL", "--port", "8080"], 22, "--port requires a network"),
        (["MODEL", "--network", "container:x"], 22, "cannot publish a port"),
        (["MODEL", "--image", "UPPER case"], 22, "UPPER case"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_an_exit_code(
    capsys: Capture, model: Path, words: list[str], code: int, said: str
) -> None:
    named = [str(model) if word == "MODEL" else word for word in words]

    for dry in ([], ["--dryrun"]):
        ended, out, err = run(capsys, "run", *dry, *named, "why?")

        assert (ended, out) == (code, "")
        assert said in err
        assert err.startswith("Error: ")
        assert err.count("\n") == 1


@pytest.mark.usefixtures("dockerd")
def test_settings_that_nobody_understands_are_a_warning_unless_quiet(
    capsys: Capture, run_dir: Path
) -> None:
    file = run_dir / "ramalama/ramalama.conf"
    file.parent.mkdir()
    file.write_text("[ramalama]\nctx_sise = 5\n")

    assert run(capsys, "ps", "-n") == (
        *(0, ""),
        f"Warning: {file} has an unknown key 'ctx_sise'; did you mean 'ctx_size'?\n",
    )
    assert run(capsys, "ps", "-n", "--quiet") == (0, "", "")


def test_a_setting_that_makes_no_sense_is_an_error(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAMALAMA_SELINUX", "maybe")

    assert run(capsys, "ps") == (
        *(22, ""),
        "Error: RAMALAMA_SELINUX is 'maybe', which is not true or false\n",
    )
