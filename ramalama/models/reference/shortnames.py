"""Short names for models, as files say: ``"granite" = "ollama://granite3.3"``.

Files are named ``shortnames.conf``; later ones win:

    ours, in the package
    /usr/share/ramalama/
    /usr/local/share/ramalama/
    /etc/ramalama/
    $XDG_DATA_HOME/ramalama/         ~/.local/share without the variable
    $XDG_CONFIG_HOME/ramalama/       ~/.config without the variable

None is read from the current directory: whoever enters a folder of somebody else's would get that
one's models. The lines of section ``[shortnames]`` count, names have no letter case, and quotation
marks are optional. A target is a whole reference, with its transport or the path of a file; so
no name leads to another one, and none hides what is a reference already.
"""

from __future__ import annotations

import os
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
_MOST_WARNINGS = 10  # per file: who has more of them has another kind of file
_NEARNESS = 0.7  # of 1
_MOST_SUGGESTIONS = 3


@frozen()
class Shortname:
    """A name and the reference that it stands for, as *source* has them."""

    name: str
    target: str
    source: Path


@frozen()
class Resolved:
    """A reference, and the file that had it; None where it is what the user typed."""

    reference: str
    source: Path | None = None


@frozen()
class Shortnames:
    """All short names of this host and user.

    Attributes:
        entries: by name in lower case, in alphabetical order.
        files: that were there, the one that wins last.
        warnings: what in them could not be understood, a sentence each.
    """

    entries: Mapping[str, Shortname] = field(default_factory=dict[str, Shortname])
    files: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def load(cls, env: Mapping[str, str], home: Path, root: Path = Path("/")) -> Shortnames:
        """Read all files; one that cannot be read is a warning, and so is a line."""
        entries: dict[str, Shortname] = {}
        warnings: list[str] = []
        files = tuple(file for file in _files(env, home, root) if _is_there(file))
        for file in files:
            found, complaints = _read(file)
            entries |= found
            warnings += complaints
        return cls(entries=dict(sorted(entries.items())), files=files, warnings=tuple(warnings))

    def resolve(self, text: str) -> Resolved:
        """Look *text* up; what is no short name stays as it is."""
        entry = self.entries.get(text.lower())
        if entry is None:
            return Resolved(reference=text)
        return Resolved(reference=entry.target, source=entry.source)


def suggest(text: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return the few *known* names that *text* may have been meant to be, the nearest first.

    What begins with *text* is nearer than what is only like it.
    """
    import difflib  # noqa: PLC0415 (only for who has mistyped)

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
        # A relative one would be the current directory's; XDG base directories.
        if directory.is_absolute():
            yield directory / "ramalama" / _FILE_NAME


def _is_there(file: Path) -> bool:
    return os.path.isfile(file)  # noqa: PTH113 (Path's raises where we may not look)


def _read(file: Path) -> tuple[Mapping[str, Shortname], list[str]]:
    try:
        with file.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
        text = content.decode()
    except (OSError, UnicodeDecodeError) as exc:
        return {}, [f"cannot read {file}: {exc}"]
    if len(content) > _LARGEST:
        return {}, [f"{file} is longer than {_LARGEST} bytes and was left out"]
    return _parse(text, file)


def _parse(text: str, file: Path) -> tuple[Mapping[str, Shortname], list[str]]:
    entries: dict[str, Shortname] = {}
    warnings: list[str] = []
    inside = False
    for number, line in enumerate(map(str.strip, text.split("\n")), start=1):
        if line.startswith("["):
            inside = line == _SECTION
        elif inside and line and not line.startswith(("#", ";")):
            try:
                entry = _entry(line, file)
            except ValueError as exc:
                warnings.append(f"{file}:{number}: {exc}")
            else:
                entries[entry.name.lower()] = entry
    left_out = len(warnings) - _MOST_WARNINGS
    if left_out > 0:
        warnings[_MOST_WARNINGS:] = [f"{file}: {left_out} further lines make no sense"]
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
        msg = f"{name[:100]!r} is a reference already, for which nothing else may stand"
        raise ValueError(msg)
    if not is_reference(target) or target.startswith("."):
        msg = (
            f"{target[:100]!r} is not a whole reference, which begins with a transport or "
            "with / (hf://ORG/REPO)"
        )
        raise ValueError(msg)
    return Shortname(name=name, target=target, source=file)


def _unquoted(text: str) -> str:
    quote = text[:1]
    return text[1:-1] if quote in ("'", '"') and len(text) > 1 and text[-1] == quote else text
