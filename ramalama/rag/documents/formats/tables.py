"""Tables of values that commas or other characters separate."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from ramalama.rag.documents.formats.plain import clean, read_plain
from ramalama.rag.values import Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ramalama.rag.documents.limits import Budget

_SEPARATORS = ",;\t|"
_ROWS = 40  # below a heading
_LONGEST_LINE = 100_000  # that is searched for the separator


def read_table(text: str, budget: Budget) -> tuple[Section, ...]:
    """Return the rows in sections, with the first row above each; cells are separated by tabs."""
    text = clean(text)
    first = text.partition("\n")[0][:_LONGEST_LINE]
    separator = max(_SEPARATORS, key=first.count)
    try:
        rows = list(_rows(text, separator, budget))
    except csv.Error:  # no table after all, or a field of more than 128 KiB
        return read_plain(text, budget)
    if not rows:
        return ()
    head, *body = rows
    return tuple(
        Section(text="\n".join((head, *body[start : start + _ROWS])))
        for start in range(0, max(len(body), 1), _ROWS)
    )


def _rows(text: str, separator: str, budget: Budget) -> Sequence[str]:
    result: list[str] = []
    for cells in csv.reader(text.splitlines(keepends=True), delimiter=separator):
        row = "\t".join(" ".join(cell.split()) for cell in cells).rstrip("\t")
        budget.spend(len(row) + 1)
        if row:
            result.append(row)
    return result
