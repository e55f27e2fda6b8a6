"""Convert Docker's JSON answers into values, without any I/O."""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ramalama_engines.kinds import EngineKind
from ramalama_engines.rest.http import made_id
from ramalama_engines.spec import (
    ContainerState,
    ContainerStatus,
    EngineInfo,
    LocalImage,
    PortBinding,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ramalama_engines.image_reference import ImageReference

    Json = Mapping[str, Any]

_STATUS = {
    "created": ContainerStatus.CREATED,
    "running": ContainerStatus.RUNNING,
    "restarting": ContainerStatus.RUNNING,
    "paused": ContainerStatus.PAUSED,
    "exited": ContainerStatus.EXITED,
    "removing": ContainerStatus.REMOVING,
    "dead": ContainerStatus.REMOVING,  # its removal failed
}
_EXITED = r"Exited \((\d+)\)"


def inspected_container(answer: Json) -> ContainerState:
    """Read ``GET /containers/{id}/json``."""
    state, config = answer["State"], answer["Config"]
    host: Json = answer.get("HostConfig") or {}
    status = _STATUS.get(state["Status"], ContainerStatus.UNKNOWN)
    return ContainerState(
        id=answer["Id"],
        name=answer["Name"].removeprefix("/"),
        image=config["Image"],
        status=status,
        # ExitCode is also 0 while it runs, and 127 if the start failed.
        exit_code=state["ExitCode"] if status is ContainerStatus.EXITED else None,
        oom_killed=bool(state.get("OOMKilled")),
        created=datetime.fromisoformat(answer["Created"]),
        labels=config.get("Labels") or {},
        ports=_bound_ports(answer["NetworkSettings"].get("Ports") or {}),
        network=host.get("NetworkMode"),
    )


def used_memory(answer: Json) -> int | None:
    """Read ``GET /containers/{id}/stats`` as docker-stats(1) does: without what could be freed."""
    memory: Json = answer.get("memory_stats") or {}
    used = memory.get("usage")
    detail: Json = memory.get("stats") or {}
    if used is None:  # the container does not run
        return None
    files = detail.get("total_inactive_file", detail.get("inactive_file", 0))
    return int(used - files if files < used else used)


def listed_container(answer: Json) -> ContainerState:
    """Read one item of ``GET /containers/json``, which does not report an OOM kill."""
    status = _STATUS.get(answer["State"], ContainerStatus.UNKNOWN)
    exited = re.match(_EXITED, answer.get("Status", ""))
    return ContainerState(
        id=answer["Id"],
        name=_own_name(answer.get("Names") or ()),
        image=answer["Image"],
        status=status,
        exit_code=int(exited[1]) if exited and status is ContainerStatus.EXITED else None,
        created=datetime.fromtimestamp(answer["Created"], tz=UTC),
        labels=answer.get("Labels") or {},
        ports=tuple(
            PortBinding(
                container_port=port["PrivatePort"],
                host_port=port["PublicPort"],
                host_address=port.get("IP", ""),
            )
            for port in answer.get("Ports") or ()
            if port.get("PublicPort") and port["Type"] == "tcp"
        ),
    )


def local_image(answer: Json) -> LocalImage:
    """Read ``GET /images/{name}/json``."""
    config: Json = answer.get("Config") or {}
    env: Iterable[str] = config.get("Env") or ()
    pairs = (entry.partition("=") for entry in env)
    return LocalImage(
        id=answer["Id"],
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        user=config.get("User") or "",
        env={name: value for name, _, value in pairs},
        labels=config.get("Labels") or {},
        volumes=tuple(config.get("Volumes") or ()),
        digests=tuple(answer.get("RepoDigests") or ()),
    )


def engine_info(answer: Json, *, url: str, api_version: str, rootless: bool) -> EngineInfo:
    """Read ``GET /info``."""
    options = _security_options(answer)
    return EngineInfo(
        kind=EngineKind.DOCKER,
        version=answer["ServerVersion"],
        api_version=api_version,
        url=url,
        rootless=rootless,
        user_namespace=rootless or "userns" in options,
        oci_runtime=answer["DefaultRuntime"],
        oci_runtimes=tuple(sorted(answer.get("Runtimes") or ())),
        selinux="selinux" in options,
        cgroup_version=int(answer.get("CgroupVersion") or 1),
        id=answer.get("ID") or made_id(str(answer.get("Name")), str(answer.get("DockerRootDir"))),
        host=str(answer.get("Name") or ""),
        cpus=int(answer.get("NCPU") or 0),
        memory=int(answer.get("MemTotal") or 0),
        kernel=str(answer.get("KernelVersion") or ""),
        limits_memory=bool(answer.get("MemoryLimit")),
        # Reported since Docker 25; empty if daemon.json does not enable CDI. Older ones have no
        # CDI.
        cdi=bool(answer.get("CDISpecDirs")),
        cdi_devices=tuple(
            device["ID"]
            for device in answer.get("DiscoveredDevices") or ()
            if device.get("Source") == "cdi"
        ),
    )


def is_rootless(answer: Json) -> bool:
    """Return whether ``GET /info`` says that the daemon runs as an ordinary user."""
    return "rootless" in _security_options(answer)


def skips_tls(answer: Json, reference: ImageReference) -> bool:
    """Return whether the daemon's ``GET /info`` disables TLS verification for this registry.

    A pull cannot request it; see dockerd(8), `--insecure-registry`. The daemon's defaults include
    the loopback network.
    """
    registries: Json = answer.get("RegistryConfig") or {}
    indexes: Mapping[str, Json] = registries.get("IndexConfigs") or {}
    if not indexes.get(reference.domain, {}).get("Secure", True):
        return True
    host = "127.0.0.1" if reference.host.lower() == "localhost" else reference.host
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    networks: Iterable[str] = registries.get("InsecureRegistryCIDRs") or ()
    return any(address in ipaddress.ip_network(network) for network in networks)


def _security_options(answer: Json) -> set[str]:
    """Return the names in ``["name=seccomp,profile=default", …]``."""
    first = (option.partition(",")[0] for option in answer.get("SecurityOptions") or ())
    return {option.removeprefix("name=") for option in first}


def _bound_ports(ports: Mapping[str, Iterable[Json] | None]) -> tuple[PortBinding, ...]:
    return tuple(
        PortBinding(
            container_port=int(key.partition("/")[0]),
            host_port=int(binding["HostPort"]),
            host_address=binding["HostIp"],
        )
        for key, bindings in ports.items()
        for binding in bindings or ()
        if key.endswith("/tcp")
    )


def _own_name(names: Iterable[str]) -> str:
    """Return the container's own name; a name with a second slash is another container's alias."""
    return next((name[1:] for name in names if "/" not in name[1:]), "")
