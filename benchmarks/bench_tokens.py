"""What a streamed token costs in `ChatSession`, against httpx2 on the same socket.

The floor is what an honest user of httpx2 would write: `Client.stream` and `iter_lines`, each
``data:`` line through `json.loads`, the text of its delta written and flushed. Ours is what
`ramalama run MODEL PROMPT` does: `ChatSession.ask`, its pieces through `write_answer` and so the
`ControlFilter`. Both write to a pipe that another process empties.

* from the model: 256 tokens of a server in a container. Wall time is what a user waits for; the
  processor's time in this process tells how fast a model would have to be for us to matter.
* replayed: the same stream, recorded, from a process that sends it without a pause. The client is
  all there is to wait for; nobody's model is like that, and no ratio says more about the code.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx2

from benchmarks import replay
from benchmarks.rounds import Times, report, run_rounds
from ramalama import ModelRef, Ramalama, ServeOptions
from ramalama_chat import ChatSession, UnixEndpoint, open_client, write_answer
from ramalama_engines import EngineKind, InvokingUser

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from typing import TextIO

    Ask = Callable[[TextIO], None]

_PROMPT: Final = "Tell me about the sea."
_TOKENS: Final = 256
_MEMBERS: Final = {"max_tokens": _TOKENS, "temperature": 0, "ignore_eos": True}
_FLOOR, _OURS = "httpx2", "ChatSession"
_GOAL: Final = 0.1
_MICROSECOND: Final = 1e-6


class Talk:
    """One server, and the ways to ask it the same thing."""

    def __init__(self, endpoint: UnixEndpoint, model: str) -> None:
        self._url = f"{endpoint.base_url}/chat/completions"
        self._model = model
        self._http = httpx2.Client(
            transport=httpx2.HTTPTransport(uds=endpoint.path), trust_env=False, timeout=None
        )
        self._client = open_client(endpoint)

    def by_httpx2(self, out: TextIO) -> None:
        """Do it with no more than an HTTP client."""
        with self._http.stream("POST", self._url, json=self._body) as answer:
            for line in answer.iter_lines():
                if not line.startswith("data: "):
                    continue
                data = line.removeprefix("data: ")
                if data == "[DONE]":
                    break
                if text := json.loads(data)["choices"][0]["delta"].get("content"):
                    out.write(text)
                    out.flush()

    def by_session(self, out: TextIO, *, color: bool = False) -> None:
        """Do it as `ramalama run` does."""
        session = ChatSession(self._client, model=self._model)
        session.parameters.update(_MEMBERS)
        write_answer(session.ask(_PROMPT), out, color=color)

    def by_openai(self, out: TextIO) -> None:
        """Do it as the SDK's documentation has it."""
        for chunk in self._client.chat.completions.create(
            model=self._model,
            messages=[{"role": "user", "content": _PROMPT}],
            stream=True,
            max_tokens=_TOKENS,
            temperature=0,
        ):
            if text := chunk.choices[0].delta.content:
                out.write(text)
                out.flush()

    def record(self) -> bytes:
        """Return the answer as it comes over the wire, without HTTP's own framing."""
        with self._http.stream("POST", self._url, json=self._body) as answer:
            return b"".join(answer.iter_raw())

    def close(self) -> None:
        """Hang up."""
        self._http.close()
        self._client.close()

    @property
    def _body(self) -> Mapping[str, object]:
        messages = [{"role": "user", "content": _PROMPT}]
        return {**_MEMBERS, "model": self._model, "messages": messages, "stream": True}


class Meter:
    """Times one way to ask, in microseconds per token."""

    def __init__(self, ask: Ask, out: TextIO) -> None:
        self._ask = ask
        self._out = out
        self.processor: list[float] = []
        """The time of this process's on a processor, one figure for each call."""

    def __call__(self) -> float:
        """Ask once, and return how long it took by the clock."""
        wall, processor = time.perf_counter(), time.process_time()
        self._ask(self._out)
        spent = time.perf_counter() - wall, time.process_time() - processor
        self.processor.append(spent[1] / _TOKENS / _MICROSECOND)
        return spent[0] / _TOKENS / _MICROSECOND


@contextmanager
def _from_model(arguments: argparse.Namespace) -> Generator[Talk]:
    """Start a server as the library's users do, for the block."""
    variable = "CONTAINER_HOST" if arguments.engine is EngineKind.PODMAN else "DOCKER_HOST"
    env = {**os.environ, variable: f"unix://{arguments.socket}"}
    user = InvokingUser(env=env, home=Path.home(), uid=os.getuid())
    options = ServeOptions(model=ModelRef.parse(arguments.model))
    with Ramalama(user=user) as ramalama, ramalama.serve(options) as server:
        if not isinstance(server.endpoint, UnixEndpoint):
            sys.exit("the server has a network")
        with closing(Talk(server.endpoint, server.model)) as talk:
            yield talk


@contextmanager
def _replayed(path: Path, recording: Path) -> Generator[Talk]:
    words = [sys.executable, replay.__file__, str(path), str(recording)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as server:
        try:
            if server.stdout is None or not server.stdout.readline():
                sys.exit("nothing is replayed")
            with closing(Talk(UnixEndpoint(str(path)), "replayed")) as talk:
                yield talk
        finally:
            server.kill()


@contextmanager
def _pipe() -> Generator[TextIO]:
    """Yield a pipe to a process that reads it, and does nothing else with it."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as reader:
        if reader.stdin is None:
            sys.exit("no pipe")
        with TextIOWrapper(reader.stdin, encoding="utf-8") as out:
            yield out


def _compare(title: str, ways: Mapping[str, Ask], out: TextIO, rounds: int) -> Times:
    """Print two tables, and return the second: how long each way kept a processor busy."""
    meters = {name: Meter(ask, out) for name, ask in ways.items()}
    print(f"{title}, a token by the clock:")
    report(run_rounds(meters, rounds), _FLOOR, unit="µs")
    print(f"{title}, a token on the processor:")
    processor = {name: meter.processor[1:] for name, meter in meters.items()}
    report(processor, _FLOOR, unit="µs")
    return processor


def _say_when_it_matters(processor: Times) -> None:
    more = statistics.median(
        ours - floor for ours, floor in zip(processor[_OURS], processor[_FLOOR], strict=True)
    )
    speed = f"{_GOAL / (more * _MICROSECOND):.0f} tokens/s" if more > 0 else "any speed"
    print(f"{more:.0f} µs more on the processor: a tenth of a token's time at {speed}")


def main(words: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", type=EngineKind, required=True)
    parser.add_argument("--socket", required=True, help="path of the engine's socket")
    parser.add_argument("--model", required=True, help="path of a GGUF file")
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args(words)
    with ExitStack() as stack:
        out = stack.enter_context(_pipe())
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        recording = directory / "answer"
        with _from_model(arguments) as talk:
            both = {_FLOOR: talk.by_httpx2, _OURS: talk.by_session}
            processor = _compare("from the model", both, out, arguments.rounds)
            recording.write_bytes(talk.record())
        _say_when_it_matters(processor)
        with _replayed(directory / "s", recording) as talk:
            ways: dict[str, Ask] = {
                _FLOOR: talk.by_httpx2,
                _OURS: talk.by_session,
                f"{_OURS}, styled": partial(talk.by_session, color=True),
                "openai, as documented": talk.by_openai,
            }
            _compare("replayed", ways, out, arguments.rounds)


if __name__ == "__main__":
    main()
