#!/usr/bin/env python3
"""Write the reference of the library as Markdown: ``scripts/reference.py DIRECTORY``.

`griffe` reads docstrings and signatures from the sources and imports nothing. What it warns of, or
an attribute that a docstring describes and its class has not, fails the build.
"""

from __future__ import annotations

import logging
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from griffe import Alias, DocstringSectionAttributes, GriffeLoader, Parser

# It has types, and forgets to say so.
from griffe2md import ConfigDict, render_object_docs  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]

if TYPE_CHECKING:
    from collections.abc import Sequence

    from griffe import Object

ROOT = Path(__file__).parents[1]
HOMES = tuple(str(ROOT / home) for home in (".", "engines", "accel", "chat", "values"))
PACKAGES = ("ramalama", "ramalama_engines", "ramalama_accel", "ramalama_chat", "ramalama_values")

EMBEDDING = (
    "serve",
    "aserve",
    "Ramalama",
    "ServeOptions",
    "ModelServer",
    "LaunchPlan",
    "Config",
)
MODELS = ("Models", "ModelRef", "PullOptions")
PROTOCOLS = (
    "ramalama_engines.engine.Engine",
    "ramalama.runtimes.base.Runtime",
    "ramalama.Transport",
    "ramalama.Cache",
)

LOOK: ConfigDict = {
    "heading_level": 2,
    "show_root_full_path": False,
    "show_root_members_full_path": False,
    "show_object_full_path": False,
    "show_signature_annotations": True,
    "show_if_no_docstring": True,
    "filters": ["!^_"],
    "line_length": 100,
    "summary": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A file of the reference."""

    name: str
    title: str
    introduction: str
    objects: Sequence[str]


def main(directory: Path) -> int:
    """Write all pages; return 1 if a docstring is at odds with what it describes."""
    complaints = Complaints()
    logging.getLogger("griffe").addHandler(complaints)
    loader = GriffeLoader(docstring_parser=Parser.google, search_paths=HOMES)
    for package in PACKAGES:
        loader.load(package)
    directory.mkdir(parents=True, exist_ok=True)
    for page in pages(loader):
        found = [defined(loader, path) for path in page.objects]
        complaints.lines.extend(line for each in found for line in wrong_attributes(each))
        text = without_links("\n\n".join(str(render_object_docs(each, LOOK)) for each in found))
        heading = f"# {page.title}\n\n{page.introduction}\n\n"
        target = directory / f"{page.name}.md"
        target.write_text(f"{heading}{text.strip()}\n", encoding="utf-8")
        sys.stdout.write(f"{target}\n")
    sys.stderr.writelines(f"{line}\n" for line in complaints.lines)
    return 1 if complaints.lines else 0


class Complaints(logging.Handler):
    """What griffe warns of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a warning for the end."""
        self.lines.append(record.getMessage())


def pages(loader: GriffeLoader) -> Sequence[Page]:
    """Say what stands where."""
    public = [str(name) for name in loader.modules_collection["ramalama"].exports or ()]
    homes = {name: defined(loader, f"ramalama.{name}").path for name in public}
    errors = [name for name, home in homes.items() if ".errors." in home]
    extending = [path.removeprefix("ramalama.") for path in PROTOCOLS]
    elsewhere = {*EMBEDDING, *MODELS, *errors, *extending, "chat_errors", "__version__"}
    others = [name for name in public if name not in elsewhere]
    return (
        Page(
            name="embedding",
            title="Models in a program",
            introduction="All of these are names of the package `ramalama`.",
            objects=[f"ramalama.{name}" for name in (*EMBEDDING, *others)],
        ),
        Page(
            name="models",
            title="Models on this machine",
            introduction="No engine is needed for any of it.",
            objects=[f"ramalama.{name}" for name in MODELS],
        ),
        Page(
            name="errors",
            title="What can go wrong",
            introduction="Every error is a `RamalamaError`, and its message one line.",
            objects=["ramalama.chat_errors", *(f"ramalama.{name}" for name in errors)],
        ),
        Page(
            name="extending",
            title="Protocols to implement",
            introduction="To add one, see the section *To add one* in ARCHITECTURE.md.",
            objects=PROTOCOLS,
        ),
    )


def without_links(text: str) -> str:
    """Take away links within a page: griffe2md makes them, but no anchors that they lead to."""
    return re.sub(r"\[([^\[\]]+)\]\(#[^()]*\)", r"\1", text)


def wrong_attributes(described: Object) -> list[str]:
    """Name the attributes of a docstring that are none; griffe looks after parameters alone."""
    sections = described.docstring.parsed if described.docstring else []
    return [
        f"{described.path} has no attribute {each.name!r}, which its docstring describes"
        for section in sections
        if isinstance(section, DocstringSectionAttributes)
        for each in section.value
        if each.name not in described.all_members
    ]


def defined(loader: GriffeLoader, path: str) -> Object:
    """Find what a name stands for, where it is defined."""
    found: Object | Alias = loader.modules_collection[path]
    return found.final_target if isinstance(found, Alias) else found


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
