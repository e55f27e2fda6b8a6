"""Read the connections of podman in the files containers.conf, as containers.conf(5) says.

Later files override earlier ones. In each of the directories ``containers.conf.d`` next to them,
the files ``*.conf`` follow in the order of their names:

    /usr/share/containers/containers.conf
    /etc/containers/containers.conf                 podman 4 run by root writes here
    $XDG_CONFIG_HOME/containers/containers.conf     ~/.config without the variable

`CONTAINERS_CONF` replaces them all; `CONTAINERS_CONF_OVERRIDE` is read last. The keys are those of
the table ``[engine]`` in podman 5.8 (go.podman.io/common, pkg/config/config.go):

    remote = true                                   podman uses its default connection
    active_service = "NAME"                         the default connection
    [engine.service_destinations.NAME]              uri, identity, is_machine, tls_cert, …

Most of these files set other things. A file is parsed only if it seems to set one of these keys, so
that most programs never import a TOML parser, and a mistake in the rest is podman's to report.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ramalama_engines.errors import EngineUnavailable
from ramalama_values import frozen
from ramalama_values.json import is_object
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ramalama_engines.user import InvokingUser

T = TypeVar("T")

_LARGEST = 256 * 1024  # bytes; podman's own, which is all comments, has 35,000
_MOST_FILES = 100
_KEYS = rb"(?m)^[^#\n]*\b(?:active_service|service_destinations|remote)\b"
_REMOTE = rb"(?m)^[^#\n]*\bremote\b"


@frozen()
class ContainersConf:
    """What all files set together.

    Attributes:
        is_remote: whether podman uses its default connection instead of an engine of this host.
        default: the name of the default connection; "" if there is none.
        destinations: the tables of the connections, by name, each with the file that it is in.
    """

    is_remote: bool
    default: str
    destinations: Mapping[str, tuple[Mapping[str, object], Path]]


def read_containers_conf(user: InvokingUser) -> ContainersConf:
    """Read all files.

    Raises:
        EngineUnavailable: a file is not valid; the message names it.
    """
    is_remote, default = False, ""
    destinations: dict[str, tuple[Mapping[str, object], Path]] = {}
    for file in _files(user):
        engine = _engine_table(file)
        is_remote = _typed(engine, "remote", bool, is_remote, file)
        default = _typed(engine, "active_service", str, default, file)
        tables: object = engine.get("service_destinations", {})
        if not is_object(tables):
            raise _invalid(file, "service_destinations is not a table")
        for name, table in tables.items():
            if not is_object(table):
                raise _invalid(file, f"service_destinations has a {name!r} that is not a table")
            destinations[name] = (table, file)
    return ContainersConf(is_remote=is_remote, default=default, destinations=destinations)


def may_be_remote(user: InvokingUser) -> bool:
    """Return whether a file seems to set ``remote``; this parses no file."""
    contents = (_content(file) for file in _files(user))
    # The first condition holds for few files, and saves the time to compile the expression.
    return any(b"remote" in content and re.search(_REMOTE, content) for content in contents)


def _files(user: InvokingUser) -> Iterator[Path]:
    if named := user.env.get("CONTAINERS_CONF"):
        yield Path(named)
    else:
        etc = user.root / "etc/containers"
        for directory in (user.root / "usr/share/containers", etc, user.config_dir / "containers"):
            yield directory / "containers.conf"
            yield from _drop_ins(directory / "containers.conf.d")
    if last := user.env.get("CONTAINERS_CONF_OVERRIDE"):
        yield Path(last)


def _drop_ins(directory: Path) -> Iterator[Path]:
    try:
        names = os.listdir(directory)  # noqa: PTH208 (five times faster than a Path's glob)
    except OSError:
        return
    for name in sorted(names)[:_MOST_FILES]:
        if name.endswith(".conf"):
            yield directory / name


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(_LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as exc:
        raise _invalid(file, f"cannot be read: {exc.strerror}") from exc


def _engine_table(file: Path) -> Mapping[str, object]:
    content = _content(file)
    if not re.search(_KEYS, content):
        return {}
    import tomllib  # noqa: PLC0415 (few users have such a file)

    if len(content) > _LARGEST:
        raise _invalid(file, f"it is larger than {_LARGEST} bytes")
    try:
        tables: object = tomllib.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as exc:  # UnicodeDecodeError is a ValueError, too
        raise _invalid(file, f"it is not TOML: {exc}") from exc
    engine: object = tables.get("engine", {}) if is_object(tables) else None
    if not is_object(engine):
        raise _invalid(file, "[engine] is not a table")
    return engine


def _typed(table: Mapping[str, object], key: str, kind: type[T], default: T, file: Path) -> T:
    value = table.get(key, default)
    if not isinstance(value, kind):
        raise _invalid(file, f"{key} in [engine] has a wrong type")
    return value


def _invalid(file: Path, problem: str) -> EngineUnavailable:
    return EngineUnavailable(one_line(f"{file}: {problem}"))
