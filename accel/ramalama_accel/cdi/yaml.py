"""Read the YAML that CDI generators write, as (path, scalar) pairs.

Covers block mappings and sequences, plain and quoted scalars, comments and empty flow
collections: all that nvidia-ctk and the other generators produce. A whole YAML parser would be a
dependency, and a slow import, for three keys. What lies outside is an error, never a guess.

    devices:                    ("devices", 0, "name")                                    "all"
    - name: all           ->    ("devices", 0, "containerEdits", "deviceNodes", 0, "path")
      containerEdits:                                                              "/dev/nvidia0"
        deviceNodes:            ("kind",)                                      "nvidia.com/gpu"
        - path: /dev/nvidia0
    kind: nvidia.com/gpu
"""

import re
from collections.abc import Iterator

KeyPath = tuple[str | int, ...]

_DEPTH_LIMIT = 32
_UNREAD = "&*!|>%@`?[{"
_EMPTY = ("", "{}", "[]", "~", "null")


class YamlError(ValueError):
    """The text is not YAML, or is of a form that is not read here; the message names the line."""


class _Level:
    """One step of the path to where the reader is."""

    __slots__ = ("child_indent", "has_scalar", "indent", "key")

    def __init__(self, indent: int, key: str | int) -> None:
        self.indent = indent
        self.key = key
        self.child_indent: int | None = None
        self.has_scalar = False


def read_yaml(text: str) -> Iterator[tuple[KeyPath, str]]:
    """Yield every scalar of *text* with the path to it.

    Raises:
        YamlError: at the first line that cannot be read.
    """
    levels = [_Level(-1, "")]
    for number, line in enumerate(text.splitlines(), start=1):
        body = line.strip(" \r")
        if not body or body.startswith("#") or body in ("---", "..."):
            continue
        try:
            yield from _read_line(levels, len(line) - len(line.lstrip(" ")), body)
        except YamlError as error:
            msg = f"line {number}: {error}"
            raise YamlError(msg) from error


def _read_line(levels: list[_Level], indent: int, body: str) -> Iterator[tuple[KeyPath, str]]:
    if body[0] == "\t":
        msg = "a tab in the indentation"
        raise YamlError(msg)
    in_sequence = False
    while body == "-" or body.startswith("- "):
        in_sequence = True
        _enter_item(levels, indent)
        rest = body[1:].lstrip(" ")
        indent += len(body) - len(rest)
        body = rest
    entry = _split_entry(body)
    if entry:
        _enter_key(levels, indent, entry[0])
        body = entry[1]
    elif not in_sequence:
        if levels[-1].has_scalar and indent > levels[-1].indent:
            return  # the rest of a long scalar; none of those that matter here spans lines
        msg = "expected a key"
        raise YamlError(msg)
    scalar = _scalar(body)
    if scalar is not None:
        levels[-1].has_scalar = True
        yield tuple(level.key for level in levels[1:]), scalar


def _split_entry(body: str) -> tuple[str, str] | None:
    """Split ``key: value``; None if *body* is a scalar alone."""
    quote = body[:1]
    if quote in ('"', "'"):
        key, _, rest = body[1:].partition(quote)
        rest = rest.lstrip(" ")
        return (key, rest[1:].strip(" ")) if rest == ":" or rest.startswith(": ") else None
    key, colon, rest = body.partition(": ")
    if colon:
        return key.rstrip(" "), rest.strip(" ")
    return (body[:-1].rstrip(" "), "") if body.endswith(":") else None


def _enter_item(levels: list[_Level], indent: int) -> None:
    while levels[-1].indent > indent:
        levels.pop()
    top = levels[-1]
    if isinstance(top.key, int) and top.indent == indent:
        levels[-1] = _Level(indent, top.key + 1)
    else:
        _push(levels, _Level(indent, 0))


def _enter_key(levels: list[_Level], indent: int, key: str) -> None:
    while levels[-1].indent >= indent:
        levels.pop()
    _push(levels, _Level(indent, key))


def _push(levels: list[_Level], child: _Level) -> None:
    parent = levels[-1]
    if parent.has_scalar or parent.child_indent not in (None, child.indent):
        msg = "wrong indentation"
        raise YamlError(msg)
    if len(levels) > _DEPTH_LIMIT:
        msg = "nested too deeply"
        raise YamlError(msg)
    parent.child_indent = child.indent
    levels.append(child)


def _scalar(text: str) -> str | None:
    """Return the value of a scalar, None for an empty one."""
    if text[:1] in ('"', "'"):
        return _quoted(text)
    value = re.split(r"(?:^|\s)#", text, maxsplit=1)[0].strip()
    if value in _EMPTY:
        return None
    if value[0] in _UNREAD:
        msg = f"{value[0]!r} begins a form of YAML that is not read here"
        raise YamlError(msg)
    if "\t" in value or ": " in value:
        msg = "a plain scalar holds a tab or a colon"
        raise YamlError(msg)
    return value


def _quoted(text: str) -> str:
    quote = text[0]
    inside = r"""(?:[^"\\]|\\.)*""" if quote == '"' else "(?:[^']|'')*"
    match = re.fullmatch(rf"{quote}({inside}){quote}\s*(?:#.*)?", text)
    if match is None:
        msg = "a quoted scalar does not end"
        raise YamlError(msg)
    value: str = match[1]
    return re.sub(r"\\(.)", r"\1", value) if quote == '"' else value.replace("''", "'")
