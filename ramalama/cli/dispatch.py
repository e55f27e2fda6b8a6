"""The table of commands, and how one of them is found in the arguments and run.

To add a command, add its module to `commands/` and a row here.
"""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from ramalama.cli import print_answer

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


class Verb:
    """A command: one line that says what it does, and its other names."""

    # Written by hand: to define a NamedTuple takes 1 ms, and to import dataclasses takes 5 ms.
    __slots__ = ("aliases", "summary")

    def __init__(self, summary: str, aliases: tuple[str, ...] = ()) -> None:
        self.summary = summary
        self.aliases = aliases


VERBS = {
    "run": Verb("run a model in a container and chat with it, or ask it one thing"),
    "chat": Verb("talk to a model server that runs already"),
    "serve": Verb("serve a model to other programs"),
    "ps": Verb("list the model servers that run", ("containers",)),
    "stop": Verb("stop model servers and remove their containers"),
    "logs": Verb("show what a model server wrote"),
    "image": Verb("build, list or pull the images that model servers run in"),
    "pull": Verb("bring a model to this machine"),
    "list": Verb("list the models of this machine", ("ls",)),
    "inspect": Verb("show what a model's files say of it"),
    "rm": Verb("remove models from this machine"),
    "gc": Verb("free the space that no model needs"),
    "rag": Verb("make an index of documents, for --rag"),
    "push": Verb("send a model or an index of documents to an OCI registry"),
    "login": Verb("tell a registry who you are, and remember it"),
    "logout": Verb("forget who you are to a registry"),
    "info": Verb("show engine, accelerator and settings, and why they were chosen"),
    "doctor": Verb("look from inside a container whether the accelerator can be used"),
    "completion": Verb("print what makes a shell complete these commands"),
    "version": Verb("show the version"),
    "help": Verb("show the help of a command"),
}

_USAGE_ERROR = 2
_TAKES_VALUE = frozenset({"--engine", "--engine-url", "--connection", "--store"})
_VERSION = frozenset({"-v", "--version"})

# Modules that other modules import for rare cases. Without them, a container starts 10 ms earlier,
# and the import of openai, which works without asyncio, is 13 ms faster.
_LATE = frozenset(
    {
        *("copy", "inspect", "ipaddress", "random", "traceback"),
        *("bz2", "lzma", "tarfile", "zipfile"),
        *("email.base64mime", "email.header", "email.quoprimime", "encodings.idna", "mimetypes"),
        *("asyncio", "anyio.abc", "anyio.streams.tls"),
        *("anyio.to_thread", "csv", "idna", "openai.providers", "sniffio", "socksio", "truststore"),
    }
)


class Command(Protocol):
    """A module of `ramalama.cli.commands`, which implements one command."""

    def make_parser(self) -> argparse.ArgumentParser:
        """Make the parser of the command's arguments; manual pages and completion use it, too."""
        ...

    def execute(self, words: Sequence[str]) -> int:
        """Parse *words*, run the command and return the exit code."""
        ...


def dispatch(words: Sequence[str]) -> int:
    """Run the command in *words* and return its exit code."""
    before, word, after = split_words(words)
    if word is None:
        return _without_command(before)
    name = find_verb(word)
    if name is None:
        return _unknown(word)
    if name == "help":
        return _help(after)
    return _execute(name, [*before, *after], debug="--debug" in words)


def _execute(name: str, words: Sequence[str], *, debug: bool) -> int:
    from ramalama_engines.discovery.lazy_imports import (  # noqa: PLC0415 (not for help)
        lazy_imports,
    )

    with lazy_imports(_LATE):
        command = load_command(name)
        from ramalama.cli.error_boundary import run_guarded  # noqa: PLC0415 (see above)

        return run_guarded(lambda: command.execute(words), debug=debug)


def load_command(name: str) -> Command:
    """Import and return the module of the command *name*."""
    return cast("Command", import_module(f"ramalama.cli.commands.{name}"))


def split_words(words: Sequence[str]) -> tuple[Sequence[str], str | None, Sequence[str]]:
    """Split *words* into the global options before the command, the command, and the rest.

    The command is None if there is none.
    """
    position = 0
    while position < len(words) and words[position].startswith("-"):
        position += 2 if words[position] in _TAKES_VALUE else 1
    if position >= len(words):
        return words, None, ()
    return words[:position], words[position], words[position + 1 :]


def find_verb(word: str) -> str | None:
    """Return the command with the name or alias *word*; None if there is none."""
    if word in VERBS:
        return word
    return next((name for name, verb in VERBS.items() if word in verb.aliases), None)


def usage() -> str:
    """Return the text of `ramalama --help`; written by hand, because parsers take time to build."""
    rows = [(", ".join((name, *verb.aliases)), verb.summary) for name, verb in VERBS.items()]
    commands = "\n".join(f"  {names:18} {summary}" for names, summary in rows)
    return f"""\
usage: ramalama [-h] [-v] [--debug | --quiet] [--dryrun] [--engine {{podman,docker}}]
                [--engine-url URL | --connection CONNECTION] [--store DIR] command ...

Run AI models in locked-down containers, with the accelerator that the host has.

positional arguments:
{commands}

options:
  -h, --help         show this help; `ramalama COMMAND --help` shows a command's
  -v, --version      show the version
  --debug            log what is done to stderr, and show where an error came from
  -q, --quiet        say nothing but answers and errors
  --dryrun           show the equivalent podman or docker command, and do nothing
  --engine NAME      podman or docker (default: the first that answers)
  --engine-url URL   address of the engine: unix://, ssh:// or tcp://
  --connection CONNECTION
                     connection of podman that leads to the engine
  --store DIR        directory of the models
  These are understood before and after the command.

examples:
  ramalama run ./granite.gguf "why is the sky blue?"
  cat notes.txt | ramalama run ./granite.gguf "what is this about?"
  ramalama run ./granite.gguf
  ramalama --engine-url ssh://me@gpu run ./granite.gguf      with the engine of another host
"""


def _without_command(options: Sequence[str]) -> int:
    if "-h" in options or "--help" in options or not options:
        return print_answer(usage())
    if not _VERSION.isdisjoint(options):
        return dispatch(["version", *(word for word in options if word not in _VERSION)])
    sys.stderr.write("Error: no command was given; `ramalama --help` lists the commands\n")
    return _USAGE_ERROR


def _unknown(word: str) -> int:
    import difflib  # noqa: PLC0415 (only after a typing error)

    similar = difflib.get_close_matches(word, VERBS, n=1)
    hint = (
        f"; did you mean {similar[0]!r}?" if similar else "; `ramalama --help` lists the commands"
    )
    sys.stderr.write(f"Error: there is no command {word!r}{hint}\n")
    return _USAGE_ERROR


def _help(words: Sequence[str]) -> int:
    if not words:
        return print_answer(usage())
    return dispatch([words[0], "--help"])


def collect_garbage() -> None:
    """Switch garbage collection on; a command calls this after its slow imports."""
    gc.freeze()  # imported objects stay until the end, so collections can skip them
    gc.enable()
