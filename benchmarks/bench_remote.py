"""An engine over ssh against the same engine here: first tokens, `ps`, and what cuts leave.

Run ``python -m benchmarks.bench_remote`` from the repository's root, as root: it starts a Podman
and an sshd on loopback, so the network costs nothing, and what is left is the cost of ssh.

* warm: from the question to the first token, with servers that run, from one process
* cold: from the call of the library to the first token, and until all is removed; one process
* command: the same with `ramalama run`, which imports asyncssh and connects first
* ps: `ramalama ps`

``--cuts N`` breaks the connection at N random moments of `ramalama run`, and counts what is there
after the next command: containers, and directories on both sides. All must be zero.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.asking import PROMPT, time_command
from benchmarks.rounds import report, run_rounds
from ramalama import Ramalama, ServeOptions
from ramalama.config.config import Config
from ramalama_engines import InvokingUser
from tests.integration.cli import finish
from tests.integration.far import FarCli, far_user
from tests.lab import assets
from tests.lab.certificates import make_certificate
from tests.lab.hidden import hidden
from tests.lab.network import private_network
from tests.lab.podman import rootful_podman
from tests.lab.scratch import scratch_directory
from tests.lab.sshd import sshd

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ramalama.serving.server import ModelServer

_SMALL: Final = ("--ctx-size=256", "--temp=0", "--max-tokens=16")


def main(words: Sequence[str] | None = None) -> int:
    """Measure, and return 1 if a cut has left anything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--cuts", type=int, default=0)
    arguments = parser.parse_args(words)
    with ExitStack() as stack:
        lab = stack.enter_context(scratch_directory())
        lab.chmod(0o755)
        ca_file = make_certificate(lab / "certificate").ca_file
        network = private_network("r")
        service = stack.enter_context(
            rootful_podman(lab / "engine", network=network, ca_file=ca_file)
        )
        assets.ensure_image(service)
        ssh = stack.enter_context(sshd(lab / "sshd"))
        own = stack.enter_context(hidden(lab / "own"))
        far = stack.enter_context(far_user(service, own, ssh))
        if arguments.cuts:
            return _cut(far, str(own.copy(assets.model())), arguments.cuts)
        os.environ["HOME"] = str(ssh.home)
        _measure(far, arguments.rounds)
    return 0


def _measure(far: FarCli, rounds: int) -> None:
    urls = {"local": far.service.url, "ssh": far.url}
    model = str(assets.model())
    with ExitStack() as stack:
        clients = {
            name: stack.enter_context(_client(far.home / name, url)) for name, url in urls.items()
        }
        servers = {
            name: stack.enter_context(client.serve(_options(client, model)))
            for name, client in clients.items()
        }
        warm: dict[str, Callable[[], float]] = {
            name: partial(_ask, server) for name, server in servers.items()
        }
        _show("warm", warm, rounds)
        cold: dict[str, Callable[[], float]] = {
            name: partial(_cold, client, model) for name, client in clients.items()
        }
        _show("cold", cold, rounds)
    commands: dict[str, Callable[[], float]] = {}
    for name, url in urls.items():
        env = {**far.env, "RAMALAMA_ENGINE_URL": url}
        run = (*_command(), "run", *_SMALL, model, PROMPT)
        commands[name] = partial(_first_byte, run, env)
    _show("command", commands, rounds)
    lists: dict[str, Callable[[], float]] = {
        name: partial(_first_byte, (*_command(), "ps"), {**far.env, "RAMALAMA_ENGINE_URL": url})
        for name, url in urls.items()
    }
    _show("ps", lists, rounds)


def _show(title: str, contenders: Mapping[str, Callable[[], float]], rounds: int) -> None:
    print(f"\n{title}", flush=True)
    report(run_rounds(contenders, rounds), "local")


def _client(directory: Path, url: str) -> Ramalama:
    directory.mkdir(mode=0o700)
    user = InvokingUser(env={}, home=directory, uid=os.getuid())
    config = Config(image=assets.IMAGE, engine_url=url, store=str(directory / "store"))
    return Ramalama(config, user=user, run_dir=directory / "run")


def _options(client: Ramalama, model: str) -> ServeOptions:
    return ServeOptions(model=client.models.resolve(model), ctx_size=256, temp=0, ngl=0)


def _ask(server: ModelServer) -> float:
    began = time.perf_counter()
    stream = server.client().chat.completions.create(
        model=server.model,
        messages=[{"role": "user", "content": f"{PROMPT} {random.random()}"}],  # noqa: S311 (not in the cache)
        stream=True,
        max_tokens=8,
    )
    first = 0.0
    for event in stream:
        if not first and event.choices and event.choices[0].delta.content:
            first = time.perf_counter()
    return (first - began) * 1000


def _cold(client: Ramalama, model: str) -> float:
    began = time.perf_counter()
    with client.serve(_options(client, model)) as server:
        _ask(server)
    return (time.perf_counter() - began) * 1000


def _first_byte(words: Sequence[str], env: dict[str, str]) -> float:
    return time_command(words, env).first


def _command() -> tuple[str, ...]:
    return (str(Path(sys.executable).with_name("ramalama")),)


def _cut(far: FarCli, model: str, cuts: int) -> int:
    chance = random.Random()  # noqa: S311 (moments, not secrets)
    words = ("run", *_SMALL, model, PROMPT)
    far.run(*words)  # sends the model
    began = time.monotonic()
    far.run(*words)
    whole = time.monotonic() - began
    left = 0
    codes: dict[int, int] = {}
    for number in range(cuts):
        with far.start(*words) as process:
            time.sleep(chance.uniform(0, whole))
            far.ssh.cut()
            code = finish(process).code
        codes[code] = codes.get(code, 0) + 1
        far.run("ps")
        remains = (far.containers(), far.far_servers, far.leftovers())
        if any(remains):
            left += 1
            print(f"after cut {number}: {remains}", file=sys.stderr)
            far.run("ps")
    print(f"{cuts} cuts within {whole:.2f} s; exit codes {codes}; {left} left something behind")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
