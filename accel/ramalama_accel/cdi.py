"""The CDI specifications of this host: which device names an engine can resolve.

Container Device Interface 0.8: JSON or YAML files in /etc/cdi and /var/run/cdi, the latter going
first. A specification is administrator's input but hostile all the same: files are bounded, and
one that cannot be read, or that names a device node outside /dev, is a problem and offers nothing.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import field

from ramalama_accel.cdi_yaml import KeyPath, YamlError, read_yaml
from ramalama_accel.host import Host, printable
from ramalama_values import frozen

# By falling precedence (CDI 0.8, "CDI JSON Specification").
DIRECTORIES = ("/var/run/cdi", "/etc/cdi")

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None

_SIZE_LIMIT = 1024 * 1024
_KIND = r"[A-Za-z0-9][A-Za-z0-9.-]*/[A-Za-z0-9][A-Za-z0-9_.-]*"
_NAME = r"[A-Za-z0-9][A-Za-z0-9_.:-]*"


@frozen()
class CdiDevice:
    """A device that a specification offers, with the host's files that it needs."""

    name: str
    spec: str
    nodes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


@frozen()
class CdiInventory:
    """All CDI devices by full name, and one sentence for each specification that is no good."""

    devices: Mapping[str, CdiDevice] = field(default_factory=dict[str, CdiDevice])
    problems: tuple[str, ...] = ()

    def of_kind(self, kind: str) -> dict[str, CdiDevice]:
        """Return the devices of one kind (``nvidia.com/gpu``) by the rest of their names."""
        prefix = f"{kind}="
        return {
            name.removeprefix(prefix): device
            for name, device in self.devices.items()
            if name.startswith(prefix)
        }


def read_inventory(host: Host) -> CdiInventory:
    """Read every specification of *host*."""
    devices: dict[str, CdiDevice] = {}
    problems: list[str] = []
    for directory in DIRECTORIES:
        here: dict[str, CdiDevice] = {}
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


def _read_spec(host: Host, path: str) -> dict[str, CdiDevice]:
    """Return the devices of one specification.

    Raises:
        ValueError: it cannot be read, or says what no specification may say.
    """
    text = host.read(path, limit=_SIZE_LIMIT + 1)
    if text is None:
        msg = "it cannot be read"
        raise ValueError(msg)
    if len(text) > _SIZE_LIMIT:
        msg = "it is larger than 1 MiB"
        raise ValueError(msg)
    return _devices(path, dict(_flatten(path, text)))


def _devices(path: str, scalars: Mapping[KeyPath, str]) -> dict[str, CdiDevice]:
    kind = scalars.get(("kind",), "")
    if not re.fullmatch(_KIND, kind):
        msg = f"its kind is {kind!r}, not vendor/class"
        raise ValueError(msg)
    nodes, files = _needs(scalars)
    devices: dict[str, CdiDevice] = {}
    for place, name in scalars.items():
        if len(place) != 3 or place[0] != "devices" or place[2] != "name":  # noqa: PLR2004 (devices[i].name)
            continue
        if not re.fullmatch(_NAME, name):
            msg = f"{name!r} is no device name"
            raise ValueError(msg)
        own = place[:2]
        devices[f"{kind}={name}"] = CdiDevice(
            name=f"{kind}={name}",
            spec=printable(path),
            nodes=(*nodes.get((), ()), *nodes.get(own, ())),
            files=(*files.get((), ()), *files.get(own, ())),
        )
    return devices


def _needs(
    scalars: Mapping[KeyPath, str],
) -> tuple[dict[KeyPath, list[str]], dict[KeyPath, list[str]]]:
    """Return device nodes and mounted files by owner: ``()``, or ``("devices", i)``."""
    nodes: dict[KeyPath, list[str]] = {}
    files: dict[KeyPath, list[str]] = {}
    for place, value in scalars.items():
        match place:
            case (*owner, "containerEdits", "deviceNodes", int(), "path" | "hostPath" as key):
                _refuse_outside_dev(value)
                if key == "hostPath" or (*place[:-1], "hostPath") not in scalars:
                    nodes.setdefault(tuple(owner), []).append(posixpath.normpath(value))
            case (*owner, "containerEdits", "mounts", int(), "hostPath"):
                files.setdefault(tuple(owner), []).append(value)
            case _:
                pass
    return nodes, files


def _refuse_outside_dev(path: str) -> None:
    if not posixpath.normpath(path).startswith("/dev/"):
        msg = f"it names the device node {path!r}, which is outside /dev"
        raise ValueError(msg)


def _flatten(path: str, text: str) -> Iterator[tuple[KeyPath, str]]:
    if path.endswith(".yaml") and not text.lstrip().startswith("{"):
        try:
            yield from read_yaml(text)
        except YamlError as error:
            msg = f"it is not the YAML that CDI generators write ({error})"
            raise ValueError(msg) from error
        return
    import json  # noqa: PLC0415 (hosts without a JSON specification do without its import)

    # JSON is YAML too, and some write it into a .yaml file. Numbers do not matter here, and as a
    # float one may have any number of digits.
    pending: list[tuple[KeyPath, Json]] = [((), json.loads(text, parse_int=float))]
    while pending:
        place, value = pending.pop()
        if isinstance(value, str):
            yield place, value
        elif isinstance(value, dict):
            pending += [((*place, key), child) for key, child in value.items()]
        elif isinstance(value, list):
            pending += [((*place, index), child) for index, child in enumerate(value)]
