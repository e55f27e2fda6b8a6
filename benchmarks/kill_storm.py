"""kill -9 at random moments of the start, the answer and the stop; then one more command.

Run ``python -m benchmarks.kill_storm 200 --engine podman`` from the repository's root, as root: it
starts an engine of its own. What was there when the command died is counted, and what is there
after the next one: containers, sockets, directories. The last three must be zero.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ramalama.config.api_name import ApiName
from tests.integration.cli import ROOTFUL, Cli, finish, user_of
from tests.lab import assets, llama_stack
from tests.lab.certificates import make_certificate
from tests.lab.dockerd import docker_daemon
from tests.lab.network import private_network
from tests.lab.podman import rootful_podman
from tests.lab.scratch import scratch_directory

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence

_WORDS: Final = ("--ctx-size=256", "--runtime-args=-n 16")
_STARTERS: Final = {"podman": rootful_podman, "docker": docker_daemon}

# Seconds after SIGTERM within which the clean-up happens.
_CLEAN_UP: Final = 0.25


@dataclass(frozen=True, slots=True)
class Remains:
    """What stands on the machine."""

    containers: int
    sockets: int
    directories: int

    def __bool__(self) -> bool:
        return bool(self.containers or self.sockets or self.directories)


def main(words: Sequence[str] | None = None) -> int:
    """Storm, and return 1 if anything was left."""
    arguments = _parser().parse_args(words)
    chance = random.Random(arguments.seed)  # noqa: S311 (moments, not secrets)
    with ExitStack() as stack:
        lab = stack.enter_context(scratch_directory())
        ca_file = make_certificate(lab / "certificate").ca_file
        service = stack.enter_context(
            _STARTERS[arguments.engine](
                lab / "engine", network=private_network("k"), ca_file=ca_file
            )
        )
        assets.ensure_image(service)
        cli = stack.enter_context(user_of(service, lab))
        env = dict[str, str]()
        if arguments.api != ApiName.NONE:
            if arguments.light:
                llama_stack.ensure_light_images(service)
                env["RAMALAMA_STACK_IMAGE"] = llama_stack.LIGHT
            else:
                llama_stack.ensure_image(service)
            env["RAMALAMA_EMBEDDING_MODEL"] = str(assets.embedder())
        command = ("run", f"--api={arguments.api}", *_WORDS, str(assets.model()), "Tell a story.")
        return _storm(cli, command, env, arguments.kills, chance)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", type=int, help="how many")
    parser.add_argument("--engine", choices=ROOTFUL, default="podman")
    parser.add_argument(
        "--api",
        choices=[each.value for each in ApiName],
        default="none",
        help="as of `ramalama run`",
    )
    parser.add_argument(
        "--light",
        action="store_true",
        help="with --api: an image that starts in a moment, and answers no question",
    )
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4)))
    return parser


def _storm(
    cli: Cli, command: Sequence[str], env: Mapping[str, str], kills: int, chance: random.Random
) -> int:
    began = time.monotonic()
    cli.run(*command, env=env)
    whole = time.monotonic() - began
    found: Counter[str] = Counter()
    left = Counter(containers=0, sockets=0, directories=0)
    while (number := found.total()) < kills:
        with cli.start(*command, env=env) as process:
            if not _kill(process, chance, whole):
                continue
        found[_phase(cli)] += 1
        cli.run("ps")
        remains = _remains(cli)
        left.update(
            containers=remains.containers,
            sockets=remains.sockets,
            directories=remains.directories,
        )
        if remains:
            print(f"after kill {number}: {remains}", file=sys.stderr)
            time.sleep(1)  # whatever is still being made
            cli.run("ps")
    print(f"{cli.service.kind}: {kills} kills within {whole:.2f} s of the start")
    print("  when it died:", ", ".join(f"{name} {n}" for name, n in found.most_common()))
    print("  after the next command:", ", ".join(f"{n} {name}" for name, n in left.items()))
    return 1 if left.total() else 0


def _kill(process: subprocess.Popen[str], chance: random.Random, whole: float) -> bool:
    """Kill the command at some moment, now and then in its clean-up; False if it was too late."""
    time.sleep(chance.uniform(0, whole))
    if chance.random() < 1 / 3:
        process.send_signal(signal.SIGTERM)
        time.sleep(chance.uniform(0, _CLEAN_UP))
    process.kill()
    return finish(process).code == -signal.SIGKILL


def _phase(cli: Cli) -> str:
    """Name how far the command had come, by what it has left."""
    states = sorted(container["State"]["Status"] for container in cli.containers())
    if states:
        return f"container {' and '.join(states)}"
    return "directory made" if _remains(cli) else "nothing made, or nothing left"


def _remains(cli: Cli) -> Remains:
    paths = [*cli.run_dir.rglob("*")]
    return Remains(
        containers=len(cli.containers()),
        sockets=sum(path.is_socket() for path in paths),
        directories=sum(path.is_dir() for path in paths),
    )


if __name__ == "__main__":
    sys.exit(main())
