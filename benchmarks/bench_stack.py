"""`serve --api llama-stack` until it is ready, against the same containers started by hand.

Run ``python -m benchmarks.bench_stack --engine podman`` from the repository's root, as root: it
starts an engine of its own. By hand means: by the engine's own command, with the command lines of
the dry run and the files of the plan. The floor is the stack alone, beside a model server that has
loaded its model before the time begins. All of it is ready when the stack's health says so.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx2

from benchmarks.rounds import report, run_rounds
from ramalama import Config, Ramalama, ServeOptions
from ramalama.config.api_name import ApiName
from ramalama.generate.command_line import engine_line
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.scheme import Scheme
from ramalama.planning.labels import INSTANCE_LABEL
from ramalama_engines import EngineKind
from tests.integration.cli import ROOTFUL, user_of
from tests.lab import assets, llama_stack
from tests.lab.certificates import make_certificate
from tests.lab.dockerd import docker_daemon
from tests.lab.network import private_network
from tests.lab.podman import rootful_podman
from tests.lab.scratch import scratch_directory

if TYPE_CHECKING:
    from ramalama import LaunchPlan
    from tests.integration.cli import Cli

_STARTERS: Final = {"podman": rootful_podman, "docker": docker_daemon}
_ALONE: Final = "the stack alone, by hand"
_INTERVAL: Final = 0.005  # seconds
_LOADED: Final = "until wget -q -O /dev/null http://127.0.0.1:8080/health; do sleep 0.1; done"


@dataclass(frozen=True, slots=True)
class _Stacks:
    """Starts the same two containers in several ways."""

    cli: Cli
    model: Path

    def ours(self) -> float:
        began = time.perf_counter()
        done = self.cli.run("serve", "-d", "--api=llama-stack", "--name=bench", str(self.model))
        took = time.perf_counter() - began
        if done.code != 0:
            raise RuntimeError(done.err)
        self.cli.run("stop", "bench")
        return took * 1000

    def both_by_hand(self) -> float:
        plan = self._plan()
        began = time.perf_counter()
        self._run(plan, 0)
        self._run(plan, 1)
        return self._ready(plan, began)

    def alone_by_hand(self) -> float:
        plan = self._plan()
        self._run(plan, 0)
        self.cli.engine("exec", plan.container.name or "", "sh", "-c", _LOADED)
        began = time.perf_counter()
        self._run(plan, 1)
        return self._ready(plan, began)

    def _plan(self) -> LaunchPlan:
        options = ServeOptions(
            model=ModelRef(Scheme.FILE, str(self.model)), api=ApiName.LLAMA_STACK, name="by-hand"
        )
        with Ramalama(Config(engine_url=self.cli.url), run_dir=self.cli.run_dir) as ramalama:
            plan = ramalama.plan(options)
        directory = Path(plan.container.labels[INSTANCE_LABEL])
        directory.mkdir(parents=True, mode=0o700)
        for name, content in plan.files.items():
            (directory / name).write_text(content, encoding="utf-8")
        return plan

    def _run(self, plan: LaunchPlan, number: int) -> None:
        spec = (plan.container, *plan.companions)[number]
        # Without the labels, by which a command of ours would remove them.
        line = engine_line(
            EngineKind(self.cli.service.kind), replace(spec, labels={}), engine=self.cli.url
        )
        subprocess.run(shlex.split(line), stdout=subprocess.DEVNULL, check=True)

    def _ready(self, plan: LaunchPlan, began: float) -> float:
        socket = Path(plan.container.labels[INSTANCE_LABEL], "api.sock")
        with httpx2.Client(transport=httpx2.HTTPTransport(uds=str(socket))) as client:
            while not _answers(client):
                time.sleep(_INTERVAL)
        took = time.perf_counter() - began
        self.cli.engine("rm", "--force", "by-hand-stack")
        self.cli.engine("rm", "--force", "by-hand")
        shutil.rmtree(socket.parent)
        return took * 1000


def _answers(client: httpx2.Client) -> bool:
    try:
        return client.get("http://x/v1/health").is_success
    except httpx2.HTTPError:
        return False


def main(words: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=ROOTFUL, default="podman")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args(words)
    with ExitStack() as stack:
        lab = stack.enter_context(scratch_directory())
        ca_file = make_certificate(lab / "certificate").ca_file
        starter = _STARTERS[arguments.engine]
        network = private_network("b")
        service = stack.enter_context(starter(lab / "engine", network=network, ca_file=ca_file))
        assets.ensure_image(service)
        llama_stack.ensure_image(service)
        stacks = _Stacks(stack.enter_context(user_of(service, lab)), assets.model())
        contenders = {
            _ALONE: stacks.alone_by_hand,
            "both containers, by hand": stacks.both_by_hand,
            "ramalama serve --api llama-stack": stacks.ours,
        }
        report(run_rounds(contenders, arguments.rounds), _ALONE)


if __name__ == "__main__":
    main()
