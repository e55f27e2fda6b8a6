"""Complete a command line for a shell; `ramalama completion` prints the script that calls this.

The shell passes the line in COMP_LINE, and argcomplete parses it. It gets the parser of one
command, so the global options before the command are split off first, as `dispatch` does.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import argcomplete
from argcomplete.completers import BaseCompleter
from argcomplete.lexers import split_line

from ramalama.cli.dispatch import VERBS, find_verb, load_command, split_words
from ramalama.cli.invocation import GlobalArguments, invoke, parser
from ramalama.errors import RamalamaError
from ramalama_chat.repl.path_completion import continue_path

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping

_START = "_ARGCOMPLETE"  # for argcomplete: the position of the program's name, from 1
_OF_SERVERS = ("ramalama stop", "ramalama logs")
_PATH = r"(\.{1,2}|~)?/"


def answer() -> None:
    """Write the possible words at the cursor to file descriptor 8, and exit the process."""
    words = split_line(os.environ["COMP_LINE"], int(os.environ["COMP_POINT"]))[3]
    before, word, _ = split_words(words[1:])
    verb = None if word is None else find_verb(word)
    if word is not None:
        os.environ[_START] = str(len(before) + 2)
    if word is None or verb == "help":
        argument_parser = _any_command()
    elif verb is not None:
        argument_parser = load_command(verb).make_parser()
    else:
        sys.exit(1)
    argcomplete.autocomplete(
        argument_parser, always_complete_options=False, default_completer=_Candidates()
    )


def _any_command() -> argparse.ArgumentParser:
    result = parser("COMMAND", "complete a command")
    result.add_argument("command", metavar="COMMAND")
    return result


class _Candidates(BaseCompleter):
    """The possible values of an argument, chosen by its metavar in the help."""

    def __call__(
        self,
        *,
        prefix: str,
        action: argparse.Action,
        parser: argparse.ArgumentParser,
        parsed_args: argparse.Namespace,
    ) -> Mapping[str, str] | Iterable[str]:
        match action.metavar:
            case "NAME" if parser.prog in _OF_SERVERS:
                return _servers(parsed_args)
            case "CONNECTION":
                return _connections()
            case "COMMAND":
                return {name: verb.summary for name, verb in VERBS.items()}
            case "MODEL" | "SOURCE" if not re.match(_PATH, prefix):
                return _models(prefix, parsed_args)
            case "MODEL" | "SOURCE" | "PATH" | "DIR" | "FILE" | "DOCUMENT" | "DESTINATION":
                return continue_path(prefix, lambda name: Path(name).expanduser())
            case metavar:
                choices = "{true,false}" if metavar == "BOOL" else str(metavar)
                return choices[1:-1].split(",") if choices.startswith("{") else ()


def _servers(arguments: argparse.Namespace) -> Iterator[str]:
    words = GlobalArguments(**vars(arguments))
    # Completion shows no errors; the command will show them.
    with suppress(RamalamaError), invoke(words).ramalama() as ramalama:
        yield from [state.name for state in ramalama.servers()]


def _connections() -> Iterable[str]:
    from ramalama_engines.discovery.podman_connections import (  # noqa: PLC0415 (only here)
        read_connections,
    )
    from ramalama_engines.errors import EngineUnavailable  # noqa: PLC0415 (likewise)
    from ramalama_engines.user import InvokingUser  # noqa: PLC0415 (likewise)

    with suppress(EngineUnavailable, RuntimeError):  # see above
        user = InvokingUser(env=os.environ, home=Path.home(), uid=os.getuid())
        return sorted(read_connections(user).connections)
    return ()


def _models(typed: str, arguments: argparse.Namespace) -> Iterator[str]:
    """Yield the local models, each in the shortest form that starts with *typed*."""
    with suppress(RamalamaError):  # see above
        invocation = invoke(GlobalArguments(**vars(arguments)))
        models = invocation.models()
        default, names = invocation.config.transport, models.shortnames().entries
        for model in models.list():
            full = str(model.reference)
            short = full.removeprefix(f"{default}://library/").removeprefix(f"{default}://")
            yield full if short in names or not short.startswith(typed) else short
