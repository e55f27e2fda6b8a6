"""`ramalama run` with a server that runs already: command start to first token, against curl.

curl has the address and the request in its hands. Ours looks for a model and for a server with the
same plan, and imports openai; `--timings` of `ramalama run` tells how long each takes. People ask
something new; the same question again is answered from the server's cache, and so the harder case.
"""

from __future__ import annotations

import argparse
import os
import time
from itertools import count, repeat
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.asking import COMMAND, PROMPT, TOKENS, ask_by_curl, time_command
from benchmarks.rounds import report, run_rounds
from ramalama import ModelRef, Ramalama, ServeOptions
from ramalama_chat.client.endpoint import UnixEndpoint
from ramalama_engines import EngineKind, InvokingUser

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def main(words: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", type=EngineKind, required=True)
    parser.add_argument("--socket", required=True, help="path of the engine's socket")
    parser.add_argument("--model", required=True, help="path of a GGUF file")
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args(words)
    variable = "CONTAINER_HOST" if arguments.engine is EngineKind.PODMAN else "DOCKER_HOST"
    env = {**os.environ, variable: f"unix://{arguments.socket}"}
    options = ServeOptions(model=ModelRef.parse(arguments.model), temp=0)
    user = InvokingUser(env=env, home=Path.home(), uid=os.getuid())
    with Ramalama(user=user) as ramalama, ramalama.serve(options, reuse=True) as server:
        endpoint = server.endpoint
        if not isinstance(endpoint, UnixEndpoint):
            parser.error("the server has a network")
        curl = ["--unix-socket", endpoint.path, f"{endpoint.base_url}/chat/completions"]

        def by_curl(prompt: str) -> float:
            began = time.perf_counter()
            return (ask_by_curl(curl, prompt) - began) * 1000

        def ours(prompt: str) -> float:
            command = [COMMAND, "--engine", arguments.engine, "run", "--temp", "0"]
            rest = [f"--max-tokens={TOKENS}", arguments.model, prompt]
            return time_command([*command, *rest], env).first

        for title, prompts in (("a new question", _new()), ("the same again", repeat(PROMPT))):
            print(f"{title}:")
            contenders = {
                "curl": lambda prompts=prompts: by_curl(next(prompts)),
                "ramalama run": lambda prompts=prompts: ours(next(prompts)),
            }
            report(run_rounds(contenders, arguments.rounds), "curl")


def _new() -> Iterator[str]:
    """Yield questions of the same length that nobody has asked the server yet."""
    for number in count(100):
        yield f"Number {number}: write one sentence about it."


if __name__ == "__main__":
    main()
