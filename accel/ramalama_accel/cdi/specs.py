"""Read the CDI specifications of this host: which device names an engine can resolve.

Container Device Interface 0.8: JSON or YAML files in /etc/cdi and /var/run/cdi; the latter takes
precedence. Administrators write them, but they are still not trusted: their size is limited. A
specification that cannot be read, or that names a device node outside /dev, is reported as a
problem, and none of its devices is used.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import field
from typing import TYPE_CHECKING

from ramalama_values import frozen
from ramalama_values.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ramalama_accel.cdi.yaml import KeyPath
    from ramalama_accel.host import Host

# In the order of falling precedence (CDI 0.8, "CDI JSON Specification").
DIRECTORIES = ("/var/run/cdi", "/etc/cdi")

Json = dict[str, "Json"] | list["Json"] | str | float | bool | None

_SIZE_LIMIT = 1024 * 1024
_KIND = r"[A-Za-z0-9][A-Za-z0-9.-]*/[A-Za-z0-9][A-Za-z0-9_.-]*"
_NAME = r"[A-Za-z0-9][A-Za-z0-9_.:-]*"


@frozen()
class CdiSpecDevice:
    """A device of a specification, and the host's files that it needs."""

    name: str
    spec: str
    nodes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


@frozen()
class CdiInventory:
    """All CDI devices by full name, and a sentence for each specification that is not used."""

    devices: Mapping[str, CdiSpecDevice] = field(default_factory=dict[str, CdiSpecDevice])
    problems: tuple[str, ...] = ()

    def of_kind(self, kind: str) -> dict[str, CdiSpecDevice]:
        """Return the devices of one kind (``nvidia.com/gpu``) by the rest of their names."""
        prefix = f"{kind}="
        return {
            name.removeprefix(prefix): device
            for name, device in self.devices.items()
            if name.startswith(prefix)
        }


def read_inventory(host: Host) -> CdiInventory:
    """Read every specification of *host*."""
    devices: dict[str, CdiSpecDevice] = {}
    problems: list[str] = []
    for directory in DIRECTORIES:
        here: dict[str, CdiSpecDevice] = {}
        conflicts: set[str] = set()
        for path in _spec_paths(host, directory):
            try:
                offered = _read_spec(host, path)
            except (ValueError, RecursionError) as error:  # RecursionError: json on deep nesting
                problems.append(f"the CDI specification {printable(path)} is not used: {error}")
                continue
            conflicts |= here.keys() & offered.keys()
            here |= offered
        for name in sorted(conflicts):
            problems.append(f"the CDI device {name} is defined twice in {directory}")
            del here[name]
        devices = {**here, **devices}
    return CdiInventory(devices=devices, problems=tuple(problems))


def _spec_paths(host: Host, directory: str) -> list[str]:
    names = [name for name in host.names(directory) if name.endswith((".json", ".yaml"))]
    return [f"{directory}/{name}" for name in names]


def _read_spec(host: Host, path: str) -> dict[str, CdiSpecDevice]:
    """Return the devices of one specification.

    Raises:
        ValueError: it cannot be read, or its content is not allowed.
    """
    text = host.read(path, limit=_SIZE_LIMIT + 1)
    if text is None:
        msg = "it cannot be read"
        raise ValueError(msg)
    if len(text) > _SIZE_LIMIT:
        msg = "it is larger than 1 MiB"
        raise ValueError(msg)
    return _devices(path, _fold_keys(_flatten(path, text)))


def _fold_keys(pairs: Iterable[tuple[KeyPath, str | None]]) -> dict[KeyPath, str | None]:
    """Ignore the case of keys, as engines do (Go's encoding/json), so that no node is missed."""
    scalars: dict[KeyPath, str | None] = {}
    for place, value in pairs:
        folded = tuple(step.casefold() if isinstance(step, str) else step for step in place)
        if folded in scalars:
            msg = f"the key {place[-1]!r} appears twice"
            raise ValueError(msg)
        scalars[folded] = value
    return scalars


def _devices(path: str, scalars: Mapping[KeyPath, str | None]) -> dict[str, CdiSpecDevice]:
    kind = _text(scalars, ("kind",))
    if not re.fullmatch(_KIND, kind):
        msg = f"its kind is {kind!r}, not vendor/class"
        raise ValueError(msg)
    nodes, files = _needs(scalars)
    devices: dict[str, CdiSpecDevice] = {}
    for place in scalars:
        if len(place) != 3 or place[0] != "devices" or place[2] != "name":  # noqa: PLR2004 (devices[i].name)
            continue
        name = _text(scalars, place)
        if not re.fullmatch(_NAME, name):
            msg = f"{name!r} is not a device name"
            raise ValueError(msg)
        own = place[:2]
        devices[f"{kind}={name}"] = CdiSpecDevice(
            name=f"{kind}={name}",
            spec=printable(path),
            nodes=(*nodes.get((), ()), *nodes.get(own, ())),
            files=(*files.get((), ()), *files.get(own, ())),
        )
    return devices


def _needs(
    scalars: Mapping[KeyPath, str | None],
) -> tuple[dict[KeyPath, list[str]], dict[KeyPath, list[str]]]:
    """Return device nodes and mounted files by owner: ``()`` (all) or ``("devices", i)``."""
    nodes: dict[KeyPath, list[str]] = {}
    files: dict[KeyPath, list[str]] = {}
    for place in scalars:
        match place:
            case (*owner, "containeredits", "devicenodes", int(), "path" | "hostpath" as key):
                value = _text(scalars, place)
                _refuse_outside_dev(value)
                if key == "hostpath" or (*place[:-1], "hostpath") not in scalars:
                    nodes.setdefault(tuple(owner), []).append(posixpath.normpath(value))
            case (*owner, "containeredits", "mounts", int(), "hostpath"):
                files.setdefault(tuple(owner), []).append(_text(scalars, place))
            case _:
                pass
    return nodes, files


def _text(scalars: Mapping[KeyPath, str | None], place: KeyPath) -> str:
    """Return the scalar at *place*, "" if there is none."""
    value = scalars.get(place, "")
    if value is None:
        msg = f"{'.'.join(map(str, place))} is not text, put it in quotes"
        raise ValueError(msg)
    return value


def _refuse_outside_dev(path: str) -> None:
    if not posixpath.normpath(path).startswith("/dev/"):
        msg = f"it names the device node {path!r}, which is outside /dev"
        raise ValueError(msg)


def _flatten(path: str, text: str) -> Iterator[tuple[KeyPath, str | None]]:
    """Yield the scalars of a specification; None stands for one that is not text."""
    if path.endswith(".yaml"):
        from ramalama_accel.cdi.yaml import read_yaml  # noqa: PLC0415 (it imports PyYAML)

        yield from read_yaml(text)
        return
    import json  # noqa: PLC0415 (imported only for a JSON specification)

    # Engines read JSON as YAML: they accept a 64-bit integer as text, but no other number.
    whole: Json = json.loads(text, parse_int=_integer, object_pairs_hook=_object)
    pending: list[tuple[KeyPath, Json]] = [((), whole)]
    while pending:
        place, value = pending.pop()
        match value:
            case str():
                yield place, value
            case bool():
                yield place, str(value).lower()
            case int() | float():
                yield place, None
            case dict():
                pending += [((*place, key), child) for key, child in value.items()]
            case list():
                pending += [((*place, index), child) for index, child in enumerate(value)]
            case None:
                pass


def _integer(digits: str) -> str | float:
    return digits if len(digits) < 19 else float(digits)  # noqa: PLR2004 (2^63 has 19)


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for key, value in pairs:
        if key in found:
            msg = f"the key {key!r} appears twice"
            raise ValueError(msg)
        found[key] = value
    return found
