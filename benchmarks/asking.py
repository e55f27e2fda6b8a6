"""One question, and how long until its answer begins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COMMAND = str(Path(sys.executable).with_name("ramalama"))
PROMPT = "Write one sentence about the sea."
TOKENS = 24


def body(prompt: str) -> str:
    """Make the request of a chat's first question."""
    messages = [{"role": "user", "content": prompt}]
    return json.dumps({"messages": messages, "stream": True, "max_tokens": TOKENS})


BODY = body(PROMPT)


class Timed(NamedTuple):
    """Milliseconds of one command: to its first byte, and from its last one to its end."""

    first: float
    leaving: float


def time_command(words: Sequence[str], env: Mapping[str, str]) -> Timed:
    """Run a command that answers on stdout."""
    began = time.perf_counter()
    process = subprocess.Popen(words, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    with process:
        descriptor = process.stdout.fileno() if process.stdout else -1
        if not os.read(descriptor, 1):
            sys.exit("no answer")
        first = last = time.perf_counter()
        while os.read(descriptor, 4096).strip(b"\n"):
            last = time.perf_counter()
    left = time.perf_counter()
    return Timed(first=(first - began) * 1000, leaving=(left - last) * 1000)


def ask_by_curl(target: Sequence[str], prompt: str = PROMPT) -> float:
    """Ask a server as a person would, and return the time (perf_counter) of the first token."""
    words = ["curl", "-sN", "-d", body(prompt), *target]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        for line in process.stdout or ():
            if b'"content":"' in line:
                break
        first = time.perf_counter()
        process.terminate()
    return first
