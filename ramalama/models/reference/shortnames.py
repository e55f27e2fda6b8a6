"""Read short names for models from files with lines such as ``"granite" = "ollama://granite3.3"``.

The files are named ``shortnames.conf``; later ones take precedence:

    RamaLama's own, in the package
    /usr/share/ramalama/
    /usr/local/share/ramalama/
    /etc/ramalama/
    $XDG_DATA_HOME/ramalama/         ~/.local/share without the variable
    $XDG_CONFIG_HOME/ramalama/       ~/.config without the variable

No file is read from the current directory: in another user's directory, it could choose the models.
Only lines of the section ``[shortnames]`` are used. Names have no letter case, and quotation marks
are optional. A target must be a full reference, with its transport or the path of a file. So no
name leads to another one, and no name replaces a valid reference.
"""

from __future__ import annotations

import os
import re
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.models.reference.reference import is_reference
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_FILE_NAME = "shortnames.conf"
_SECTION = "[shortnames]"
_LARGEST = 1024 * 1024  # bytes
_LONGEST = 1024  # characters
_MOST_WARNINGS = 10  # per file; one with more is probably not a file of short names
_NEARNESS = 0.7  # of 1
_MOST_SUGGESTIONS = 3


@frozen()
class Shortname:
    """A short name and the reference that it stands for, from the file *source*."""

    name: str
    target: str
    source: Path


@frozen()
class Resolved:
    """A reference, and the file that defines it; None if it is what the user typed."""

    reference: str
    source: Path | None = None


@frozen()
class Shortnames:
    """All short names of this host and user.

    Attributes:
        entries: by name in lower case, in alphabetical order.
        files: the files that exist, in the order of rising precedence.
        warnings: lines and files that could not be read, in one sentence each.
    """

    entries: Mapping[str, Shortname] = field(default_factory=dict[str, Shortname])
    files: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def load(cls, env: Mapping[str, str], home: Path, root: Path = Path("/")) -> Shortnames:
        """Read all files; a file or a line that cannot be read becomes a warning."""
        entries: dict[str, Shortname] = {}
        warnings: list[str] = []
        files = tuple(file for file in _files(env, home, root) if _exists(file))
        for file in files:
            found, complaints = _read(file)
            entries |= found
            warnings += complaints
        return cls(entries=dict(sorted(entries.items())), files=files, warnings=tuple(warnings))

    def resolve(self, text: str) -> Resolved:
        """Look *text* up; text that is not a short name is returned unchanged."""
        entry = self.entries.get(text.lower())
        if entry is None:
            return Resolved(reference=text)
        return Resolved(reference=entry.target, source=entry.source)


def suggest(text: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return a few *known* names that are similar to *text*, the nearest first.

    A name that begins with *text* is nearer than one that is only similar.
    """
    import difflib  # noqa: PLC0415 (only needed for a mistyped name)

    wanted = text.lower()
    names = {name.lower(): name for name in known}
    longer = sorted((name for name in names if wanted and name.startswith(wanted)), key=len)
    near = difflib.get_close_matches(wanted, names, n=_MOST_SUGGESTIONS, cutoff=_NEARNESS)
    return tuple(names[name] for name in dict.fromkeys((*longer, *near)))[:_MOST_SUGGESTIONS]


def _files(env: Mapping[str, str], home: Path, root: Path) -> Iterator[Path]:
    yield Path(__file__).with_name(_FILE_NAME)
    shared = (root / "usr/share", root / "usr/local/share", root / "etc")
    own = (
        Path(env.get("XDG_DATA_HOME") or home / ".local/share"),
        Path(env.get("XDG_CONFIG_HOME") or home / ".config"),
    )
    for directory in (*shared, *own):
        # A relative path would be in the current directory; XDG base directories.
        if directory.is_absolute():
            yield directory / "ramalama" / _FILE_NAME


def _exists(file: Path) -> bool:
    return os.path.isfile(file)  # noqa: PTH113 (Path.is_file raises without permission)


def _read(file: Path) -> tuple[Mapping[str, Shortname], list[str]]:
    try:
        with file.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
        text = content.decode("utf-8-sig")  # some editors begin with a mark
    except (OSError, UnicodeDecodeError) as exc:
        return {}, [f"cannot read {file}: {exc}"]
    if len(content) > _LARGEST:
        return {}, [f"{file} is longer than {_LARGEST} bytes and was ignored"]
    return _parse(text, file)


def _parse(text: str, file: Path) -> tuple[Mapping[str, Shortname], list[str]]:
    entries: dict[str, Shortname] = {}
    warnings: list[str] = []
    inside: bool | None = None  # None: before the first section
    for number, line in enumerate(map(str.strip, text.split("\n")), start=1):
        if line.startswith("["):
            section = re.split("[#;]", line)[0].strip()
            inside = section == _SECTION
            if not inside and section.casefold() == _SECTION:
                warnings.append(f"{file}:{number}: {section} is ignored; write {_SECTION}")
        elif inside is None and line and not line.startswith(("#", ";")):
            inside = False
            warnings.append(f"{file}:{number}: expected {_SECTION} before the first short name")
        elif inside and line and not line.startswith(("#", ";")):
            try:
                entry = _entry(line, file)
            except ValueError as exc:
                warnings.append(f"{file}:{number}: {exc}")
            else:
                entries[entry.name.lower()] = entry
    left_out = len(warnings) - _MOST_WARNINGS
    if left_out > 0:
        warnings[_MOST_WARNINGS:] = [f"{file}: {left_out} more lines are not valid"]
    return entries, warnings


def _entry(line: str, file: Path) -> Shortname:
    name, equals, target = (_unquoted(part.strip()) for part in line.partition("="))
    if not equals:
        msg = 'expected "NAME" = "REFERENCE"'
        raise ValueError(msg)
    for word in (name, target):
        if not word or not word.isprintable() or len(word) > _LONGEST:
            msg = f"{word[:100]!r} is not 1 to {_LONGEST} printable characters"
            raise ValueError(msg)
    if is_reference(name):
        msg = f"{name[:100]!r} is a reference already and cannot be a short name"
        raise ValueError(msg)
    if not is_reference(target) or target.startswith("."):
        msg = (
            f"{target[:100]!r} is not a full reference, which begins with a transport or "
            "with / (hf://ORG/REPO)"
        )
        raise ValueError(msg)
    return Shortname(name=name, target=target, source=file)


def _unquoted(text: str) -> str:
    quote = text[:1]
    return text[1:-1] if quote in ("'", '"') and len(text) > 1 and text[-1] == quote else text
