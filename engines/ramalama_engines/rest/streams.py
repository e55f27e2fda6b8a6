"""Read the engines' byte streams: logs in frames, and JSON objects, one per line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ramalama_values.json import is_object, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_HEADER = (
    8  # stream number, three zeroes, payload length: Docker Engine API, "Attach to a container"
)
LONGEST_LINE = 65536


def log_lines(chunks: Iterable[bytes], *, longest: int = LONGEST_LINE) -> Iterator[str]:
    """Yield the lines of a framed log; *chunks* may cut frames and lines anywhere.

    A line may continue in the next frame of the same stream. A line longer than *longest* bytes is
    yielded in pieces. Bytes that are not UTF-8 are replaced.
    """
    pending: dict[int, bytes] = {}
    for stream, payload in _frames(chunks):
        *ended, rest = (pending.get(stream, b"") + payload).split(b"\n")
        for line in ended:
            yield from _pieces(line.removesuffix(b"\r"), longest)
        while len(rest) > longest:
            yield _text(rest[:longest])
            rest = rest[longest:]
        pending[stream] = rest
    yield from (_text(rest) for rest in pending.values() if rest)


def json_lines(chunks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects in *chunks*, one per line; skip lines that are not objects."""
    pending = b""
    for chunk in chunks:
        *ended, pending = (pending + chunk).split(b"\n")
        yield from _objects(ended)
    yield from _objects([pending])


def _frames(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield pairs of stream number and payload; a payload that arrives in parts is not joined."""
    buffer = b""
    stream = missing = 0
    for chunk in chunks:
        buffer += chunk
        while buffer:
            if not missing:
                if len(buffer) < _HEADER:
                    break
                stream, missing = buffer[0], int.from_bytes(buffer[4:_HEADER], "big")
                buffer = buffer[_HEADER:]
                continue
            payload, buffer = buffer[:missing], buffer[missing:]
            missing -= len(payload)
            yield stream, payload


def _pieces(line: bytes, longest: int) -> Iterator[str]:
    for start in range(0, max(len(line), 1), longest):
        yield _text(line[start : start + longest])


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace")


def _objects(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            value = parse_json(line)
        except ValueError:
            continue
        if is_object(value):
            yield value
