"""Convert libpod's JSON answers about containers, images and the service into values."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from ramalama_engines.kinds import EngineKind
from ramalama_engines.rest.http import elements, made_id, members
from ramalama_engines.spec import (
    ContainerState,
    ContainerStatus,
    EngineInfo,
    LocalImage,
    PortBinding,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Json = Mapping[str, Any]

_ANY_ADDRESS = "0.0.0.0"  # noqa: S104 (what podman means by an empty address)
_STATUS = {
    "configured": ContainerStatus.CREATED,
    "created": ContainerStatus.CREATED,
    "initialized": ContainerStatus.CREATED,
    "running": ContainerStatus.RUNNING,
    "stopping": ContainerStatus.RUNNING,
    "paused": ContainerStatus.PAUSED,
    "stopped": ContainerStatus.EXITED,  # its program has ended, but podman has not cleaned up yet
    "exited": ContainerStatus.EXITED,
    "removing": ContainerStatus.REMOVING,
}


def container_state(inspect: Json) -> ContainerState:
    """Read the answer of ``GET /libpod/containers/{name}/json``."""
    state = inspect["State"]
    status = _status(state["Status"])
    ports = members(members(inspect.get("NetworkSettings")).get("Ports"))
    return ContainerState(
        id=inspect["Id"],
        name=inspect["Name"],
        image=inspect.get("ImageName") or inspect["Image"],
        status=status,
        exit_code=state["ExitCode"] if status is ContainerStatus.EXITED else None,
        oom_killed=bool(state.get("OOMKilled")),
        created=_moment(inspect.get("Created")),
        labels=members(inspect["Config"].get("Labels")),
        ports=tuple(
            port for key, bound in ports.items() for port in _inspected(key, elements(bound))
        ),
        network=members(inspect.get("HostConfig")).get("NetworkMode"),
    )


def listed_state(item: Json) -> ContainerState:
    """Read one item of ``GET /libpod/containers/json``, which does not report an OOM kill."""
    status = _status(item["State"])
    return ContainerState(
        id=item["Id"],
        name=next(iter(elements(item.get("Names"))), ""),
        image=item.get("Image") or item["ImageID"],
        status=status,
        exit_code=item["ExitCode"] if status is ContainerStatus.EXITED else None,
        created=_moment(item.get("Created")),
        labels=members(item.get("Labels")),
        ports=tuple(port for mapping in elements(item.get("Ports")) for port in _listed(mapping)),
    )


def used_memory(answer: Json) -> int | None:
    """Read the answer of ``GET /libpod/containers/stats`` about one container."""
    return next((int(item["MemUsage"]) for item in elements(answer.get("Stats"))), None)


def local_image(inspect: Json) -> LocalImage:
    """Read the answer of ``GET /libpod/images/{name}/json``."""
    config = members(inspect.get("Config"))
    variables = (variable.partition("=") for variable in elements(config.get("Env")))
    return LocalImage(
        id=inspect["Id"],
        entrypoint=tuple(elements(config.get("Entrypoint"))),
        command=tuple(elements(config.get("Cmd"))),
        user=config.get("User") or "",
        env={name: value for name, _, value in variables},
        labels=members(config.get("Labels")),
        volumes=tuple(members(config.get("Volumes"))),
        digests=tuple(elements(inspect.get("RepoDigests"))),
    )


def engine_info(info: Json, *, url: str) -> EngineInfo:
    """Read the answer of ``GET /libpod/info``."""
    host, version = info["host"], info["version"]
    rootless = bool(host["security"]["rootless"])
    runtime = host["ociRuntime"]["name"]
    name = str(host.get("hostname") or "")
    return EngineInfo(
        kind=EngineKind.PODMAN,
        version=version["Version"],
        api_version=version["APIVersion"],
        url=url,
        rootless=rootless,
        user_namespace=rootless or bool(members(host.get("idMappings")).get("uidmap")),
        oci_runtime=runtime,
        oci_runtimes=(runtime,),
        selinux=bool(host["security"]["selinuxEnabled"]),
        cgroup_version=int(str(host["cgroupVersion"]).removeprefix("v")),
        id=made_id(name, str(members(info.get("store")).get("graphRoot") or "")),
        host=name,
        cpus=int(host.get("cpus") or 0),
        memory=int(host.get("memTotal") or 0),
        kernel=str(host.get("kernel") or ""),
        limits_memory="memory" in elements(host.get("cgroupControllers")),
        cdi=True,  # since podman 4.1, older than any that is supported
    )


def _status(word: str) -> ContainerStatus:
    return _STATUS.get(word, ContainerStatus.UNKNOWN)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _inspected(key: str, bindings: Sequence[Json]) -> Iterator[PortBinding]:
    port, _, protocol = key.partition("/")
    for binding in bindings if protocol == "tcp" else ():
        yield PortBinding(
            container_port=int(port),
            host_port=int(binding["HostPort"]),
            host_address=binding.get("HostIp") or _ANY_ADDRESS,
        )


def _listed(mapping: Json) -> Iterator[PortBinding]:
    if mapping.get("protocol") != "tcp":
        return
    for offset in range(mapping.get("range") or 1):
        yield PortBinding(
            container_port=mapping["container_port"] + offset,
            host_port=mapping["host_port"] + offset,
            host_address=mapping.get("host_ip") or _ANY_ADDRESS,
        )
