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
    "start",
    "astart",
    "Ramalama",
    "ServeOptions",
    "ModelServer",
    "ServedModel",
    "ServerHealth",
    "attach",
    "aattach",
    "connect",
    "aconnect",
    "stop",
    "astop",
    "logs",
    "alogs",
    "pull",
    "apull",
    "LaunchPlan",
    "Config",
)
# Classes whose methods stand in several files.
HEIRS = ("Ramalama", "ServedModel", "ModelServer")
MODELS = ("Models", "ModelRef", "PullOptions")
PROTOCOLS = (
    "ramalama_engines.engine.Engine",
    "ramalama.runtimes.base.Runtime",
    "ramalama.Transport",
    "ramalama.Cache",
)
TESTED_WITH = ("fake_server", "FakeServer", "Reply", "Question")

SETTINGS = """\
All of these are names of the package `ramalama`.

**One rule for settings: what you give wins, and the settings decide the rest.** They are those of
the commands: ramalama.conf and the variables `RAMALAMA_*`, see ramalama.conf(5). The functions
(`serve`, `start`, `pull` and the like), `Ramalama()` and `Ramalama.from_env()` read them;
`from_env` takes another environment and home directory. `Ramalama(Config(…))` reads nothing: its
settings are the fields of the `Config`, and `Config()` has the defaults alone. Give such a handle
to the functions as `using=`. A `ServeOptions` or `PullOptions` says everything: no setting changes
it. Variables for the container (`env`) are merged, and a variable that you give wins.

A value of a wrong type or range is refused at once, with the name of its field: `ConfigError` by
`Config`, `OptionRefused` by all others. Words may stand for members of enumerations
(`runtime="vllm"`), lists for tuples, and texts for paths.

`typing.get_type_hints` works on all classes, methods and functions."""

ERRORS = """\
Every error is a `RamalamaError`: those of this package, those of the chat (`ChatError`) and those
of the engines (`EngineError`, which a call of the library wraps in an `EngineFailure`). Its message
is one line for users, its `hint` says what to do next, and other attributes have the numbers. All
of them pass through `pickle`, and so to other processes. `ServerNotReady` is a `TimeoutError`, too.

The clients of `ModelServer.client()` raise the errors of the OpenAI SDK. `chat_errors` turns them
into those of this page."""

TESTING = """\
These are names of the package `ramalama.testing`, for tests without a model. The pytest plugin,
which gives tests a real model and records what it says, is described in the guide "Embed it"."""

LOGGING = """\
The library logs with `logging`, and adds no handlers. Expected failures are errors, and what a
user should know is an event (`on_event`); the loggers tell the rest. `ramalama --debug` shows all.

| logger | level | about |
|---|---|---|
| `ramalama` | WARNING | settings that were ignored |
| `ramalama.chat` | WARNING, DEBUG | tools that have failed |
| `ramalama.engines` | DEBUG | which addresses were tried to find an engine |
| `ramalama.http` | INFO | requests of a pull that are repeated |
| `ramalama.launch` | WARNING, INFO, DEBUG | containers that were not removed, unwritable files |
| `ramalama.orphans` | WARNING, INFO | what processes that were killed have left behind |
| `ramalama.rag` | WARNING | documents that could not be searched |
| `ramalama.remote` | WARNING, INFO, DEBUG | an engine on another host: GPUs, files, leases |
| `ramalama.start` | INFO | running servers that were looked for |
| `ramalama_engines` and below | WARNING, INFO, DEBUG | warnings of Podman and Docker, ssh, TLS |"""

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
    for name in HEIRS:
        take_over_inherited(defined(loader, f"ramalama.{name}"))
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
            introduction=SETTINGS,
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
            introduction=ERRORS,
            objects=["ramalama.chat_errors", *(f"ramalama.{name}" for name in errors)],
        ),
        Page(
            name="extending",
            title="Protocols to implement",
            introduction="To add one, see the section *To add one* in ARCHITECTURE.md.",
            objects=PROTOCOLS,
        ),
        Page(
            name="testing",
            title="Tests without a model",
            introduction=TESTING,
            objects=[f"ramalama.testing.{name}" for name in TESTED_WITH],
        ),
        Page(name="logging", title="Logging", introduction=LOGGING, objects=()),
    )


def take_over_inherited(described: Object) -> None:
    """Let a class have the members of its bases, which griffe2md does not show."""
    for name, member in described.inherited_members.items():
        described.members.setdefault(name, member)


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
