"""`ramalama list`: list the local models."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from ramalama.cli.dispatch import VERBS
from ramalama.cli.invocation import (
    GlobalArguments,
    Invocation,
    ensure_no_dryrun,
    invoke,
    parser,
)
from ramalama.cli.output.engine_side import note_own_host
from ramalama.cli.output.table import age, table
from ramalama.units import binary_size
from ramalama_values.text import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from ramalama.models.library import Models
    from ramalama.models.store.listing import ListedModel

_HEADING = ("SHORTNAME", "NAME", "MODIFIED", "SIZE")
_COPIES_HEADING = ("NAME", "PLACE", "SIZE")


class ListArguments(GlobalArguments):
    """The parsed arguments of `ramalama list`."""

    all: bool
    engine_side: bool
    json: bool
    noheading: bool
    order: str
    sort: str


def execute(words: Sequence[str]) -> int:
    """Run `ramalama list` with the arguments *words*, and return the exit code."""
    arguments = make_parser().parse_args(words, ListArguments())
    if ensure_no_dryrun(arguments, ["list"]):
        return 0
    invocation = invoke(arguments)
    if arguments.engine_side:
        return _list_copies(invocation, arguments)
    models = invocation.models()
    listed = _sorted([each for each in models.list() if each.complete or arguments.all], arguments)
    if invocation.quiet:
        sys.stdout.write("".join(f"{printable(_name(each))}\n" for each in listed))
        return 0
    shortnames = _shortnames(models, listed)
    if arguments.json:
        json.dump([_record(each, shortnames) for each in listed], sys.stdout, indent=2)
        sys.stdout.write("\n")
        return 0
    rows = [_row(each, shortnames) for each in listed]
    sys.stdout.write(table(rows if arguments.noheading else [_HEADING, *rows]))
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of `ramalama list`."""
    result = parser("list", VERBS["list"].summary)
    result.add_argument("-a", "--all", action="store_true", help="list partly pulled models, too")
    result.add_argument(
        "--engine-side",
        action="store_true",
        help="list the copies of models on the host of a remote engine",
    )
    result.add_argument("--json", action="store_true", help="print a JSON array of objects")
    result.add_argument("-n", "--noheading", action="store_true", help="print no heading")
    result.add_argument(
        "--sort",
        choices=("size", "modified", "name"),
        default="name",
        help="sort by this column (default: name)",
    )
    result.add_argument(
        "--order",
        choices=("desc", "asc"),
        default="desc",
        help="descending or ascending (default: desc)",
    )
    return result


def _list_copies(invocation: Invocation, arguments: ListArguments) -> int:
    with invocation.ramalama() as ramalama:
        copies = ramalama.copies()
        note_own_host(ramalama, quiet=invocation.quiet)
    if arguments.json:
        json.dump([asdict(copy) for copy in copies], sys.stdout, indent=2)
        sys.stdout.write("\n")
        return 0
    rows = [
        (
            printable(copy.model) + ("" if copy.complete else " (partial)"),
            printable(copy.place),
            "" if copy.size is None else binary_size(copy.size),
        )
        for copy in copies
        if copy.complete or arguments.all
    ]
    sys.stdout.write(table(rows if arguments.noheading else [_COPIES_HEADING, *rows]))
    return 0


def _sorted(models: Sequence[ListedModel], arguments: ListArguments) -> Sequence[ListedModel]:
    def key(model: ListedModel) -> tuple[float, str]:
        match arguments.sort:
            case "size":
                rank = float(model.size)
            case "modified":
                rank = model.modified.timestamp()
            case _:
                rank = 0.0
        return rank, _name(model)

    return sorted(models, key=key, reverse=arguments.order == "desc")


def _shortnames(models: Models, listed: Sequence[ListedModel]) -> Mapping[str, str]:
    """Return the short names of the *listed* models, by reference."""
    names = "\n".join(map(_name, listed)).lower()
    return {
        str(models.resolve(name)): name
        for name, entry in models.shortnames().entries.items()
        # This cheap test skips the slow `resolve` for most short names: they have no local model.
        if _last_word(entry.target) in names
    }


def _last_word(target: str) -> str:
    """Return the last part of the path in *target*, which every spelling of the reference has."""
    word = target.rpartition("/")[2].lower()
    for mark in ":@?#%":
        word = word.partition(mark)[0]
    return word


def _name(model: ListedModel) -> str:
    return str(model.reference)


def _record(model: ListedModel, shortnames: Mapping[str, str]) -> Mapping[str, object]:
    return {
        "shortname": shortnames.get(_name(model), ""),
        "name": _name(model),
        "modified": model.modified.isoformat(),
        "size": model.size,
    }


def _row(model: ListedModel, shortnames: Mapping[str, str]) -> tuple[str, ...]:
    mark = "" if model.complete else " (partial)"
    return (
        printable(shortnames.get(_name(model), "")),
        printable(_name(model)) + mark,
        age(model.modified),
        binary_size(model.size),
    )
