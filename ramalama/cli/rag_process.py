"""The process behind `ramalama serve -d --rag`: it listens before a server until that ends.

    python -m ramalama.cli.rag_process      a JSON object on stdin says what to do

It tells on stdout, in one line of JSON, where it listens, or why it does not. After that it writes
to a log in its own directory. It is a user of the server: if it ends, and if it is killed, the
server is removed as one without users. The key is passed on stdin, since others can read arguments.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from ramalama.cli.rag_endpoint import ListenRequest, listening
from ramalama.errors import ConfigError, RamalamaError
from ramalama_values import frozen
from ramalama_values.json import is_object, parse_json
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping
    from subprocess import Popen

    from ramalama.api.client import Ramalama
    from ramalama.cli.invocation import GlobalArguments
    from ramalama.serving.run_dir import ServerDir
    from ramalama.serving.server import ModelServer

_LONGEST_LINE = 64 * 1024
_CHECK_INTERVAL = 1.0  # seconds
_PATIENCE = 10.0  # seconds for an end after SIGTERM
LOG_NAME = "log"


@frozen()
class EndpointRequest:
    """What the process does.

    Attributes:
        server: the name of the server.
        rag: what the user has named with `--rag`.
        listen: where to listen.
        keep_alive: seconds after the last request, after which it ends; None for no such end.
    """

    server: str
    rag: str
    listen: ListenRequest
    keep_alive: float | None = None


@frozen()
class Background:
    """A process that listens; *address* and *key_file* are as in `Listening`."""

    process: Popen[bytes]
    address: str
    key_file: str | None

    def stop(self) -> None:
        """End the process, and wait for that."""
        from subprocess import TimeoutExpired  # noqa: PLC0415 (see `start_process`)

        self.process.terminate()
        with suppress(TimeoutExpired):
            self.process.wait(_PATIENCE)
            return
        self.process.kill()
        self.process.wait()


def start_process(
    arguments: GlobalArguments, env: Mapping[str, str], wanted: EndpointRequest
) -> Background:
    """Start the process, and wait until it listens; *env* is the user's environment.

    Raises:
        ConfigError: it could not be started, or cannot listen; the message says why.
    """
    import subprocess  # noqa: PLC0415 (only in the background)

    names = ("debug", "engine", "engine_url", "connection", "store")
    request: dict[str, object] = {name: getattr(arguments, name) for name in names}
    request |= {"server": wanted.server, "rag": wanted.rag, "keep_alive": wanted.keep_alive}
    listen = wanted.listen
    request |= {"host": listen.host, "port": listen.port, "key": listen.key}
    # Without the current directory, from which -m would take any package.
    command = [sys.executable, "-P", "-m", "ramalama.cli.rag_process"]
    path = os.pathsep.join(filter(os.path.isabs, sys.path))
    process = subprocess.Popen(  # noqa: S603 (this program itself)
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**env, "PYTHONPATH": path},
    )
    try:
        return _told(process, json.dumps(request).encode())
    except BaseException:
        process.kill()
        process.wait()
        raise


def _told(process: Popen[bytes], request: bytes) -> Background:
    """Hand the request over, and read where the process listens."""
    if process.stdin is None or process.stdout is None:
        raise ValueError
    with process.stdin as stdin, process.stdout as stdout:
        with suppress(BrokenPipeError):
            stdin.write(request)
            stdin.close()
        line = stdout.readline(_LONGEST_LINE)
    with suppress(ValueError):
        answer = parse_json(line)
        if is_object(answer) and isinstance(address := answer.get("address"), str):
            key_file = answer.get("key_file")
            return Background(
                process=process,
                address=address,
                key_file=key_file if isinstance(key_file, str) else None,
            )
        if is_object(answer) and isinstance(error := answer.get("error"), str):
            raise ConfigError(error)
    msg = f"the process that listens ended with exit code {process.wait(_PATIENCE)}"
    raise ConfigError(msg)


def main() -> int:
    """Read the request, listen, and return the exit code when the server has ended."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: stop.set())
    request = parse_json(sys.stdin.buffer.read(_LONGEST_LINE))
    try:
        _listen(cast("Mapping[str, object]", request), stop)
    except (RamalamaError, OSError) as exc:
        _tell({"error": one_line(str(exc))})
        return 1
    return 0


def _listen(request: Mapping[str, object], stop: threading.Event) -> None:
    from ramalama.cli.invocation import GlobalArguments, invoke  # noqa: PLC0415 (after the signals)
    from ramalama.serving.container import ExitWatch  # noqa: PLC0415 (likewise)

    names = ("debug", "engine", "engine_url", "connection", "store")
    arguments = GlobalArguments(**{name: request[name] for name in names}, quiet=True)
    listen = ListenRequest(
        host=cast("str | None", request["host"]),
        port=cast("int", request["port"]),
        key=cast("str | None", request["key"]),
    )
    keep_alive = cast("float | None", request["keep_alive"])
    with (
        invoke(arguments).ramalama() as ramalama,
        _attached(ramalama, str(request["server"]), str(request["rag"])) as server,
        listening(server, listen, ramalama.run_dir) as (found, directory),
    ):
        watch = ExitWatch(ramalama.connect(), server.container)
        _tell({"address": found.address, "key_file": found.key_file})
        _log_to(directory)
        while not stop.is_set() and not watch.wait(_CHECK_INTERVAL):
            if keep_alive is not None and found.endpoint.idle_time >= keep_alive:
                return


def _attached(ramalama: Ramalama, name: str, rag: str) -> ModelServer:
    from contextlib import ExitStack  # noqa: PLC0415 (see above)

    with ExitStack() as undo:
        server = undo.enter_context(ramalama.attach(name))
        opened = ExitStack()
        undo.enter_context(opened)
        server.lend(opened.enter_context(ramalama.documents(rag)), opened)
        undo.pop_all()
    return server


def _tell(answer: Mapping[str, object]) -> None:
    with suppress(OSError):
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _log_to(directory: ServerDir) -> None:
    """Write to a file from now on: the command that has started this process goes its way."""
    import logging  # noqa: PLC0415 (see above)

    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
    log = os.open(directory.path / LOG_NAME, flags, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
    os.chdir("/")
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(name)s: %(message)s"
    )


if __name__ == "__main__":
    sys.exit(main())
