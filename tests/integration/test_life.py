"""Servers that die, are restarted, are left or idle, and programs that are told to end."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx2
import pytest

import ramalama
from ramalama import Config, ModelServer, Ramalama, Restarts
from ramalama.config.api_name import ApiName
from ramalama.events import ServerDied, ServerRestarted
from ramalama_chat import UnixEndpoint
from ramalama_engines import EngineKind, InvokingUser
from ramalama_engines.discovery.connection import open_engine
from tests.integration.cli import EVERYWHERE, PATIENCE, SMALL, Cli, eventually
from tests.integration.engine_proxy import proxied
from tests.integration.far import far_user
from tests.lab import llama_stack
from tests.lab.assets import IMAGE
from tests.lab.examples import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from ramalama.events import Event
    from tests.lab.hidden import Hidden
    from tests.lab.service import EngineService
    from tests.lab.sshd import SshService

pytest_plugins = ["tests.integration.users"]
pytestmark = pytest.mark.engines

POLICY: Final = Restarts(most=3, within=600)
CLOSINGS: Final = 8
WITHOUT_SHELL: Final = "localhost/without-shell:1"
MIB: Final = 1 << 20

# A program with one server, which says what happens to it.
PROGRAM: Final = """\
import os, sys, time
import ramalama
from ramalama import Config, Ramalama, Restarts
if "asks" in sys.argv:
    ramalama.exit_on_sigterm()
with (
    Ramalama(
        Config(image=sys.argv[2], ngl=0, engine_url=os.environ.get("RAMALAMA_ENGINE_URL"))
    ) as handle,
    ramalama.serve(
        sys.argv[1], using=handle, ctx_size=256, restart=Restarts(),
        on_event=lambda event: print(type(event).__name__, flush=True),
    ) as server,
):
    seen = 0
    while True:
        if server.restarts > seen:
            seen = server.restarts
            print("Answered" if "".join(server.chat().ask("Hello!")) else "Silent", flush=True)
        time.sleep(0.05)
"""


def handle_of(cli: Cli, *, url: str | None = None) -> Ramalama:
    user = InvokingUser(env=cli.env, home=cli.home, uid=os.getuid())
    return Ramalama(Config(image=IMAGE, ngl=0, engine_url=url), user=user)


@pytest.fixture
def handle(cli: Cli) -> Generator[Ramalama]:
    with handle_of(cli) as made:
        yield made


def is_clean(cli: Cli) -> bool:
    return not cli.containers() and not cli.files()


def ask(server: ModelServer) -> str:
    server.wait_until_ready(timeout=PATIENCE)
    answer = server.client().chat.completions.create(
        model=server.model, messages=[{"role": "user", "content": "Hello!"}], max_tokens=4
    )
    return answer.choices[0].message.content or ""


def process_of(cli: Cli, container: str) -> int:
    """Return the process of a container that runs."""
    return eventually(lambda: int(cli.engine("inspect", "-f", "{{.State.Pid}}", container)))


def kill_inside(cli: Cli, container: str) -> None:
    os.kill(process_of(cli, container), signal.SIGKILL)


def kill_by_engine(cli: Cli, container: str) -> None:
    cli.engine("kill", container)


@contextmanager
def program(cli: Cli, model: Path, *words: str) -> Generator[subprocess.Popen[str]]:
    """Run a program with a server, until the server is ready."""
    become: Sequence[str] = cli.command()[:-1]
    arguments = [*become, sys.executable, "-c", PROGRAM, str(model), IMAGE, *words]
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, env={**cli.env, "PYTHONPATH": str(Path.cwd())}, text=True
    ) as process:
        try:
            read_until(process, "ServerReady")
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == word:
            return
    pytest.fail(f"the program has ended without {word}")


@pytest.mark.parametrize("network", ["none", "bridge"])
@pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])
def test_a_server_that_dies_is_started_again_and_its_clients_find_it(
    cli: Cli, handle: Ramalama, model: Path, network: str, *, shared: bool
) -> None:
    events: list[Event] = []
    with ramalama.serve(
        str(model),
        using=handle,
        ctx_size=256,
        network=network,
        reuse=shared,
        restart=POLICY,
        on_event=events.append,
    ) as server:
        ways: Sequence[Callable[[Cli, str], None]] = (kill_inside, kill_by_engine, kill_inside)
        for count, die in enumerate(ways, start=1):
            assert ask(server)
            die(cli, server.container)
            eventually(lambda: server.restarts == count)  # noqa: B023 (called at once)
        assert ask(server)
        assert "".join(server.chat().ask("Hello!"))
        assert server.running

        kill_inside(cli, server.container)
        ended = server.why_ended(timeout=PATIENCE)
        assert ended is not None
        assert "it has died 4 times in 600 s and is not started again" in ended.message
        assert not server.running

    news = [type(each) for each in events if isinstance(each, ServerDied | ServerRestarted)]
    assert news == [ServerDied, ServerRestarted] * 3 + [ServerDied]
    assert is_clean(cli)


def test_a_server_that_the_kernel_kills_for_its_memory_is_started_again(
    cli: Cli, handle: Ramalama, model: Path
) -> None:
    with ramalama.serve(
        str(model), using=handle, ctx_size=256, memory=700 * MIB, restart=POLICY
    ) as server:
        first = Path(f"/proc/{process_of(cli, server.container)}/oom_score_adj")
        first.write_text("1000")  # the kernel's choice, rather than what takes the memory
        with pytest.raises(subprocess.CalledProcessError):
            cli.engine("exec", server.container, "timeout", "10", "tail", "/dev/zero")

        eventually(lambda: server.restarts == 1)
        assert ask(server)

    assert is_clean(cli)


@pytest.mark.parametrize("cli", EVERYWHERE, indirect=True)
def test_the_engine_restarts_a_container_with_its_own_command(cli: Cli, model: Path) -> None:
    name = cli.run("serve", "-d", "-q", *SMALL, str(model)).out.strip()
    for _ in range(2):
        cli.engine("restart", name)

    answer = cli.run("run", *SMALL, "--max-tokens=4", str(model), "Hello!")
    stopped = cli.run("stop", name)

    assert answer.code == 0, answer.err
    assert answer.out.strip()
    assert stopped.out.strip() == name
    assert is_clean(cli)


@pytest.mark.parametrize("restart", [None, POLICY])
def test_a_handle_follows_a_container_that_the_engine_restarts(
    cli: Cli, handle: Ramalama, model: Path, restart: Restarts | None
) -> None:
    with ramalama.serve(str(model), using=handle, ctx_size=256, restart=restart) as server:
        cli.engine("restart", server.container)

        eventually(lambda: server.running)
        assert ask(server)
        assert server.running

    assert is_clean(cli)


def test_a_server_that_was_stopped_is_not_started_again(
    cli: Cli, handle: Ramalama, model: Path
) -> None:
    with ramalama.serve(str(model), using=handle, ctx_size=256, restart=POLICY) as server:
        cli.engine("stop", "--time=10", server.container)
        ended = server.why_ended(timeout=PATIENCE)
        assert ended is not None
        assert ended.message.endswith("(exit code 0)")

        handle.stop(server.name)
        assert not server.running

    assert is_clean(cli)


def test_a_restart_goes_on_when_the_engine_is_back(cli: Cli, model: Path) -> None:
    socket = cli.home / "engine.sock"
    with (
        proxied(socket, cli.service.socket) as engine,
        handle_of(cli, url=engine.url) as handle,
        ramalama.serve(str(model), using=handle, ctx_size=256, restart=POLICY) as server,
    ):
        engine.vanish()
        kill_inside(cli, server.container)
        time.sleep(1)
        assert server.running
        with proxied(socket, cli.service.socket):
            eventually(lambda: server.restarts == 1)
            assert ask(server)
            server.close()

    assert is_clean(cli)


def test_closing_a_server_at_any_moment_of_a_restart_leaves_nothing(
    cli: Cli, handle: Ramalama, model: Path
) -> None:
    chance = random.Random(11)  # noqa: S311 (moments, not secrets)
    for number in range(CLOSINGS):
        with ramalama.serve(
            str(model), using=handle, ctx_size=256, restart=POLICY, reuse=number % 2 == 1
        ) as server:
            kill_inside(cli, server.container)
            time.sleep(chance.uniform(0, 1.0))
        assert is_clean(cli)


@pytest.mark.parametrize("seconds", [0.0, 0.2, 0.5])
def test_a_program_that_is_killed_in_a_restart_leaves_its_server_to_the_next_command(
    cli: Cli, model: Path, seconds: float
) -> None:
    with program(cli, model) as process:
        (container,) = cli.containers()
        kill_inside(cli, str(container["Id"]))
        read_until(process, "ServerDied")
        time.sleep(seconds)
        process.kill()
        process.wait()
    cli.run("ps")

    assert is_clean(cli)


@pytest.mark.parametrize("cli", ["rootless_podman"], indirect=True)
def test_a_rootless_engine_starts_a_server_again_too(cli: Cli, model: Path) -> None:
    with program(cli, model, "asks") as process:
        (container,) = cli.containers()
        for _ in range(2):
            kill_inside(cli, str(container["Id"]))
            for word in ("ServerDied", "ServerRestarted", "Answered"):
                read_until(process, word)
        process.terminate()
        assert process.wait(PATIENCE) == 128 + signal.SIGTERM

    assert is_clean(cli)


def test_a_server_on_another_host_is_started_again_too(
    request: pytest.FixtureRequest, own: Hidden, far_sshd: SshService, model: Path
) -> None:
    service: EngineService = request.getfixturevalue("podman_service")
    with far_user(service, own, far_sshd) as far:
        with program(far, own.directory / model.name, "asks") as process:
            (container,) = far.containers()
            for _ in range(2):
                kill_inside(far, str(container["Id"]))
                for word in ("ServerDied", "ServerRestarted", "Answered"):
                    read_until(process, word)
            process.terminate()
            assert process.wait(PATIENCE) == 128 + signal.SIGTERM
        far.run("gc", "--engine-side")
        assert is_clean(far)


@pytest.mark.parametrize(("word", "code"), [("asks", 143), ("", -signal.SIGTERM)])
def test_a_program_removes_its_server_at_sigterm_if_it_asks_for_that(
    cli: Cli, model: Path, word: str, code: int
) -> None:
    with program(cli, model, word) as process:
        process.terminate()
        assert process.wait(PATIENCE) == code
    if not word:
        assert len(cli.containers()) == 1
        cli.run("ps")

    assert is_clean(cli)


def test_an_idle_server_ends_by_itself_while_its_handle_is_open(
    cli: Cli, handle: Ramalama, model: Path
) -> None:
    with ramalama.serve(str(model), using=handle, ctx_size=256, keep_alive=1.5) as server:
        assert ask(server)
    assert len(cli.containers()) == 1

    eventually(lambda: is_clean(cli))


def test_an_image_without_a_shell_serves_and_is_started_again(
    cli: Cli, handle: Ramalama, model: Path, tmp_path: Path
) -> None:
    recipe = f'FROM {IMAGE}\nUSER 0\nRUN ["rm", "-f", "/bin/sh", "/bin/dash", "/bin/bash"]\n'
    (tmp_path / "Containerfile").write_text(recipe)
    with open_engine(EngineKind(cli.service.kind), cli.url) as engine:
        engine.build(tmp_path, tag=WITHOUT_SHELL, build_args={})

    with ramalama.serve(
        str(model), using=handle, ctx_size=256, image=WITHOUT_SHELL, restart=POLICY
    ) as server:
        assert server.plan.container.entrypoint == ("llama-server",)
        assert isinstance(server.endpoint, UnixEndpoint)
        assert ask(server)
        kill_inside(cli, server.container)
        eventually(lambda: server.restarts == 1)
        assert ask(server)

    assert is_clean(cli)


def test_a_server_and_its_stack_are_started_again_together(
    cli: Cli, handle: Ramalama, model: Path
) -> None:
    llama_stack.ensure_light_images(cli.service)
    with ramalama.serve(
        str(model),
        using=handle,
        ctx_size=256,
        api=ApiName.LLAMA_STACK,
        stack_image=llama_stack.LIGHT,
        restart=POLICY,
    ) as server:
        for count, name in enumerate((server.name, f"{server.name}-stack"), start=1):
            kill_inside(cli, name)
            eventually(lambda: server.restarts == count)  # noqa: B023 (called at once)
            server.wait_until_ready(timeout=PATIENCE)
            assert len(cli.containers()) == 2

    assert is_clean(cli)


PRELOADED: Final = """\
import os
from ramalama import Config, Ramalama, Restarts, ServeOptions

handle = Ramalama(Config(image=os.environ["RAMALAMA_IMAGE"], ngl=0))
options = ServeOptions(model=handle.models.resolve(os.environ["MODEL"]), ctx_size=256)
server = handle.start(options, restart=Restarts())


def app(environ, start_response):
    client = server.client()
    answer = client.chat.completions.create(
        model=server.model, messages=[{"role": "user", "content": "Hello!"}], max_tokens=4
    )
    text = f"{os.getpid()} {server.running} {answer.choices[0].finish_reason}"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [text.encode()]
"""


def test_gunicorn_loads_a_model_before_it_forks_and_reloads(
    cli: Cli, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "preloaded.py").write_text(PRELOADED)
    socket, env = tmp_path / "http.sock", {**cli.env, "MODEL": str(model)}
    gunicorn = [environment().program("gunicorn"), "--preload", "--workers=2"]
    words = [*gunicorn, f"--bind=unix:{socket}", "--graceful-timeout=5", "preloaded:app"]
    with (
        subprocess.Popen(words, cwd=tmp_path, env=env) as master,
        httpx2.Client(transport=httpx2.HTTPTransport(uds=str(socket)), base_url="http://x") as http,
    ):
        try:
            eventually(socket.exists)
            first = {answer_of(http)[0] for _ in range(6)}
            for _ in range(2):
                master.send_signal(signal.SIGHUP)
                eventually(lambda: answer_of(http)[0] not in first)
            (container,) = cli.containers()
            kill_inside(cli, str(container["Id"]))
            eventually(lambda: answer_of(http)[1:] == ["True", "length"])
        finally:
            master.terminate()
        assert master.wait(PATIENCE) == 0

    assert is_clean(cli)


def answer_of(http: httpx2.Client) -> list[str]:
    """Ask until it answers, and return the worker, whether the server runs, and why it ended."""

    def ask() -> list[str]:
        try:
            answer = http.get("/", timeout=PATIENCE)
        except httpx2.TransportError:  # it does not listen yet
            return []
        return answer.text.split() if answer.is_success else []

    return eventually(ask)
