"""From the start of the command to the first token, against three others in the same run.

* raw API: create and start the same container, wait for the server, stream one request, from a
  process that is warm and has the request in its hands. Nobody can be faster.
* raw API by curl: the same from a shell, where each request costs a process.
* command line: `podman run -p` (or docker), polled and asked with curl. Podman's program works
  without the service; `--command-line` says how to call it where its storage is not the default.

Also the way back: from the last byte of the answer to the shell's prompt.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shlex
import socket
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.asking import BODY, COMMAND, PROMPT, TOKENS, ask_by_curl, time_command
from benchmarks.rounds import report, run_rounds
from ramalama import ModelRef, Ramalama, ServeOptions
from ramalama_engines import EngineKind, InvokingUser
from ramalama_engines.docker.spec import create_body
from ramalama_engines.podman.spec import libpod_spec
from ramalama_engines.spec import BindMount, ContainerSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

_PORT = 18431
_TOOLS = {
    EngineKind.PODMAN: ["podman"],
    EngineKind.DOCKER: ["docker", "-H", "unix://SOCKET"],
}


class _Http(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)

    def ask(self, method: str, path: str, body: object = None) -> bytes:
        """Send one request and return the answer's body."""
        payload = None if body is None else json.dumps(body)
        self.request(method, path, payload, {"Content-Type": "application/json"} if body else {})
        answer = self.getresponse()
        content = answer.read()
        if answer.status >= http.HTTPStatus.BAD_REQUEST and not path.endswith("/health"):
            raise SystemExit(content.decode())
        return content if answer.status == http.HTTPStatus.OK or body is not None else b""


class Bench:
    """The contenders, for one engine."""

    def __init__(
        self, kind: EngineKind, socket_path: str, model: str, command_line: Sequence[str]
    ) -> None:
        self.kind = kind
        self.tool = command_line
        self.socket = socket_path
        self.model = model
        self.after: list[float] = []
        variable = "CONTAINER_HOST" if kind is EngineKind.PODMAN else "DOCKER_HOST"
        self.env = {**os.environ, variable: f"unix://{socket_path}"}
        user = InvokingUser(env=self.env, home=Path.home(), uid=os.getuid())
        options = ServeOptions(
            model=ModelRef.parse(model), temp=0, parallel=1, runtime_args=("-n", str(TOKENS))
        )
        with Ramalama(user=user) as ramalama:
            self.spec = ramalama.plan(options).container

    def ours(self) -> float:
        """Run the command; remember how long it took to leave after the answer."""
        words = [
            *(COMMAND, "--engine", self.kind, "run", "--temp", "0"),
            *(f"--runtime-args=-n {TOKENS}", self.model, PROMPT),
        ]
        timed = time_command(words, self.env)
        self.after.append(timed.leaving)
        return timed.first

    def raw(self) -> float:
        """Do the same through the engine's API, from this process."""
        with tempfile.TemporaryDirectory(prefix="bench-") as directory:
            spec = self._spec_in(directory)
            create, start, remove = self._urls(spec)
            engine = _Http(self.socket)
            began = time.perf_counter()
            container: str = json.loads(engine.ask("POST", create, self._body(spec)))["Id"]
            engine.ask("POST", start.format(container))
            first = _first_token(_until_healthy(f"{directory}/api.sock"))
            engine.ask("DELETE", remove.format(container))
            engine.close()
        return (first - began) * 1000

    def raw_by_curl(self) -> float:
        """Do it as a person would who knows the API and has curl."""
        with tempfile.TemporaryDirectory(prefix="bench-") as directory:
            spec = self._spec_in(directory)
            create, start, remove = self._urls(spec)
            server = ["--unix-socket", f"{directory}/api.sock"]
            began = time.perf_counter()
            made = self._curl("-d", json.dumps(self._body(spec)), create)
            container: str = json.loads(made)["Id"]
            self._curl("-X", "POST", start.format(container))
            health = ["curl", "-sf", *server, "http://server/health"]
            while subprocess.run(health, capture_output=True, check=False).returncode:
                time.sleep(0.005)
            first = ask_by_curl([*server, "http://server/v1/chat/completions"])
            self._curl("-X", "DELETE", remove.format(container))
        return (first - began) * 1000

    def _curl(self, *words: str) -> str:
        command = [
            "curl",
            "-s",
            "--unix-socket",
            self.socket,
            "-H",
            "Content-Type: application/json",
        ]
        return subprocess.run([*command, *words], capture_output=True, text=True, check=True).stdout

    def command_line(self) -> float:
        """Do it with the engine's own program, a published port and curl."""
        tool = self.tool
        server = [word for word in self.spec.command if not word.endswith("api.sock")]
        server[server.index("--host") : server.index("--host") + 1] = [
            "--host",
            "0.0.0.0",  # noqa: S104 (inside its network namespace)
            "--port",
            "8080",
        ]
        began = time.perf_counter()
        container = subprocess.run(
            [
                *(*tool, "run", "-d", "-p", f"127.0.0.1:{_PORT}:8080", "--cap-drop=all"),
                *("--security-opt=no-new-privileges", "--read-only", "-v"),
                *(f"{self.model}:/mnt/models/{Path(self.model).name}:ro", "--entrypoint"),
                *("llama-server", "--env=LLAMA_ARG_FIT=off", self.spec.image, *server),
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        url = f"http://127.0.0.1:{_PORT}"
        while subprocess.run(
            ["curl", "-sf", f"{url}/health"], capture_output=True, check=False
        ).returncode:
            time.sleep(0.005)
        first = ask_by_curl([f"{url}/v1/chat/completions"])
        subprocess.run([*tool, "rm", "-f", container], capture_output=True, check=True)
        return (first - began) * 1000

    def _spec_in(self, directory: str) -> ContainerSpec:
        mounts = tuple(
            replace(mount, source=directory)
            if isinstance(mount, BindMount) and mount.target == "/run/ramalama"
            else mount
            for mount in self.spec.mounts
        )
        return replace(self.spec, mounts=mounts, name=f"bench-{os.urandom(4).hex()}", labels={})

    def _body(self, spec: ContainerSpec) -> object:
        if self.kind is EngineKind.PODMAN:
            return libpod_spec(spec)
        return create_body(spec, relabel=False)

    def _urls(self, spec: ContainerSpec) -> tuple[str, str, str]:
        """Return where to create, start and remove; the last two take the container's ID."""
        prefix = "/v4.0.0/libpod" if self.kind is EngineKind.PODMAN else "/v1.41"
        containers = f"http://engine{prefix}/containers"
        create = f"{containers}/create?name={spec.name}"
        return create, f"{containers}/{{}}/start", f"{containers}/{{}}?force=true&v=true"


def _until_healthy(path: str) -> str:
    while True:
        connection = _Http(path)
        try:
            if connection.ask("GET", "/health"):
                return path
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.005)


def _first_token(path: str) -> float:
    connection = _Http(path)
    connection.request("POST", "/v1/chat/completions", BODY, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    while b'"content":"' not in answer.readline():
        pass
    first = time.perf_counter()
    connection.close()
    return first


def main(words: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", type=EngineKind, required=True)
    parser.add_argument("--socket", required=True, help="path of the engine's socket")
    parser.add_argument("--model", required=True, help="path of a GGUF file")
    parser.add_argument(
        "--command-line",
        type=shlex.split,
        metavar="WORDS",
        help="the engine's own program (default: podman, or docker -H unix://SOCKET)",
    )
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args(words)
    tool = arguments.command_line or _TOOLS[arguments.engine]
    tool = [word.replace("SOCKET", arguments.socket) for word in tool]
    bench = Bench(arguments.engine, arguments.socket, arguments.model, tool)
    command_line = f"{arguments.engine} run -p + curl"
    contenders = {
        "raw API": bench.raw,
        "raw API by curl": bench.raw_by_curl,
        command_line: bench.command_line,
        "ramalama run": bench.ours,
    }
    times = run_rounds(contenders, arguments.rounds)
    for floor in ("raw API", "raw API by curl", command_line):
        report(times, floor)
    after = sorted(bench.after[1:])
    print(
        f"last token to the prompt: median {after[len(after) // 2]:.1f} ms, max {after[-1]:.1f} ms"
    )


if __name__ == "__main__":
    main()
