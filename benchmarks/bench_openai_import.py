"""What the OpenAI SDK costs, from a bare interpreter to the first word of a streamed answer.

Every row is a process of its own, the rows take turns, and all of them run from bytecode. The
server is a thread in here that answers at once, so what is left is the client's.
"""

import argparse
import os
import resource
import socketserver
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":'
    b'[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)

_PLAIN_REQUEST = """
import httpx2, openai
http = httpx2.Client(transport=httpx2.HTTPTransport(uds=SOCKET), trust_env=False)
client = openai.OpenAI(api_key="none", base_url="http://localhost/v1", http_client=http)
messages = [{"role": "user", "content": "Hi"}]
next(iter(client.chat.completions.create(model="m", messages=messages, stream=True)))
"""

_OUR_REQUEST = """
from ramalama_chat import ChatSession, UnixEndpoint, open_client
next(ChatSession(open_client(UnixEndpoint(SOCKET)), model="m").ask("Hi"))
"""

# No row pays for the interpreter's farewell: a chat ends with its server, not with its imports.
_PROGRAMS = {
    "python": "",
    "import pydantic, httpx2": "import pydantic.main, httpx2",
    "import openai": "import openai",
    "import openai, lightly": "from ramalama_chat.client._openai import openai",
    "first word, openai": _PLAIN_REQUEST,
    "first word, openai lightly": "from ramalama_chat.client._openai import openai"
    + _PLAIN_REQUEST,
    "first word, ChatSession": _OUR_REQUEST,
}


class _Server(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        length = 0
        while line := self.rfile.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        self.rfile.read(length)
        self.wfile.write(_ANSWER)


def main(words: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds: int = parser.parse_args(words).rounds
    with tempfile.TemporaryDirectory() as folder:
        socket = str(Path(folder) / "s.sock")
        with socketserver.ThreadingUnixStreamServer(socket, _Server) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            programs = {
                name: f"import os; SOCKET = {socket!r}\n{program}\nos._exit(0)"
                for name, program in _PROGRAMS.items()
            }
            _report(_measure(programs, rounds, bytecode=Path(folder) / "pyc"))
            server.shutdown()


def _measure(
    programs: dict[str, str], rounds: int, *, bytecode: Path
) -> dict[str, list[tuple[float, float]]]:
    """Time each program in turns; (wall, CPU) milliseconds, the first round only warms up."""
    env = {**os.environ, "PYTHONPYCACHEPREFIX": str(bytecode)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
    for _ in range(rounds + 1):
        for name, program in programs.items():
            before, start = _cpu_of_children(), time.perf_counter()
            subprocess.run([sys.executable, "-c", program], env=env, check=True)
            wall, cpu = time.perf_counter() - start, _cpu_of_children() - before
            times[name].append((wall * 1000, cpu * 1000))
    return {name: taken[1:] for name, taken in times.items()}


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _report(times: dict[str, list[tuple[float, float]]]) -> None:
    medians = {
        name: tuple(statistics.median(column) for column in zip(*taken, strict=True))
        for name, taken in times.items()
    }
    floor = medians["python"][0]
    print(f"{'median, ms':28}{'wall':>8}{'CPU':>8}{'above python':>14}")
    for name, (wall, cpu) in medians.items():
        print(f"{name:28}{wall:8.0f}{cpu:8.0f}{wall - floor:14.0f}")


if __name__ == "__main__":
    main()
