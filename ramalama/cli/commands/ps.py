"""`ramalama ps`: list the running model servers."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ramalama.cli.dispatch import VERBS
from ramalama.cli.invocation import GlobalArguments, ensure_no_dryrun, invoke, parser
from ramalama.cli.output.table import age, short_id, table
from ramalama.errors import EngineFailure
from ramalama.planning.labels import API_LABEL, ENGINE_LABEL, MODEL_LABEL, RUNTIME_LABEL
from ramalama.units import binary_size
from ramalama_engines import EngineUnavailable
from ramalama_values.text import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ramalama.api.client import Ramalama
    from ramalama_engines import ContainerState

_HEADING = ("CONTAINER ID", "MODEL", "RUNTIME", "CREATED", "STATUS", "MEMORY", "PORTS", "NAMES")


class PsArguments(GlobalArguments):
    """The parsed arguments of `ramalama ps`."""

    format: str
    noheading: bool
    no_trunc: bool


def execute(words: Sequence[str]) -> int:
    """Run `ramalama ps` with the arguments *words*, and return the exit code."""
    arguments = make_parser().parse_args(words, PsArguments())
    if ensure_no_dryrun(arguments, ["ps"]):
        return 0
    with invoke(arguments).ramalama() as ramalama:
        ramalama.remove_orphans()
        states = ramalama.servers()
        addresses = {state.id: ramalama.address(state) for state in states}
        memory = {state.id: _memory(ramalama, state) for state in states}
    if arguments.format == "json":
        records = [
            {
                **_record(state),
                "ports": _ports(state, addresses[state.id]),
                "memory": memory[state.id],
                "address": addresses[state.id],
            }
            for state in states
        ]
        json.dump(records, sys.stdout, indent=2)
        sys.stdout.write("\n")
        return 0
    rows = [
        _row(state, memory[state.id], addresses[state.id], whole=arguments.no_trunc)
        for state in states
    ]
    sys.stdout.write(table(rows if arguments.noheading else [_HEADING, *rows]))
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of `ramalama ps`."""
    result = parser("ps", VERBS["ps"].summary)
    result.add_argument(
        "--format",
        choices=("table", "json"),
        default="table",
        help="print a table, or a JSON array of objects (default: table)",
    )
    result.add_argument(
        *("--json",),
        action="store_const",
        const="json",
        dest="format",
        help="the same as --format json",
    )
    result.add_argument("-n", "--noheading", action="store_true", help="print no heading")
    result.add_argument("--no-trunc", action="store_true", help="show whole container IDs")
    return result


def _record(state: ContainerState) -> dict[str, object]:
    return {
        "id": state.id,
        "name": state.name,
        "model": state.labels.get(MODEL_LABEL, ""),
        "runtime": state.labels.get(RUNTIME_LABEL, ""),
        "api": state.labels.get(API_LABEL) or None,
        "engine": state.labels.get(ENGINE_LABEL, ""),
        "image": state.image,
        "status": str(state.status),
        "created": state.created.isoformat() if state.created else None,
    }


def _memory(ramalama: Ramalama, state: ContainerState) -> int | None:
    try:
        return ramalama.memory(state)
    except EngineFailure as exc:
        if isinstance(exc.cause, EngineUnavailable):
            raise
        return None  # it was removed meanwhile, or the engine cannot say


def _row(
    state: ContainerState, memory: int | None, address: str | None, *, whole: bool
) -> tuple[str, ...]:
    return (
        state.id if whole else short_id(state.id),
        printable(state.labels.get(MODEL_LABEL, "")),
        printable(" + ".join(filter(None, map(state.labels.get, (RUNTIME_LABEL, API_LABEL))))),
        age(state.created),
        str(state.status),
        "" if memory is None else binary_size(memory),
        ",".join(_ports(state, address)),
        printable(state.name),
    )


def _ports(state: ContainerState, address: str | None) -> Sequence[str]:
    """Return where a server is published: by the engine, or by `serve --rag`, at *address*."""
    published = [f"{port.host_address}:{port.host_port}" for port in state.ports]
    if not published and address is not None and address.startswith("http://"):
        published.append(urlsplit(address).netloc)
    return published
