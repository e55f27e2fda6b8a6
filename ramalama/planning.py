"""From what is asked to what the engine is told: pure, and the one source of both.

The API call, `--dryrun` and every generator read the same `LaunchPlan`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ramalama.errors import OptionRefused
from ramalama.rundir import API_KEY_NAME, SOCKET_NAME
from ramalama.runtimes.base import Listen, MountedModel, ServerSpec
from ramalama_accel.base import AcceleratorKind
from ramalama_chat.endpoint import TcpEndpoint, UnixEndpoint
from ramalama_engines.values import (
    BindMount,
    CdiDevice,
    ContainerSpec,
    Device,
    HostDevice,
    LocalImage,
    Mount,
    PortBinding,
    TmpfsMount,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ramalama.lease import Lease
    from ramalama.options import ServeOptions
    from ramalama.rundir import InstanceDir
    from ramalama.runtimes.base import Runtime
    from ramalama.store.models import StoredModel
    from ramalama_accel.base import Accelerator
    from ramalama_chat.endpoint import Endpoint

LABEL = "ai.ramalama"
OWNER_LABEL = f"{LABEL}.owner"
MODEL_LABEL = f"{LABEL}.model"

_MODELS = "/mnt/models"
_INSTANCE = "/run/ramalama"
_PORT = 8080
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,200}")
_NETWORKLESS = ("container:", "ns:", "pod:", "service:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """Where a plan is carried out: the parts of the world that it depends on.

    Attributes:
        engine, runtime: their names, for the labels.
        rootless: root in the container is the invoking user.
        uid, gid: the invoking user.
        image: what the engine knows of the image; None in a dry run without the image.
        host_port: a free port of this host, for the network mode "host" alone.
        api_key: what the server shall ask for where it listens on a port.
        threads: the default number.
    """

    engine: str
    runtime: str
    rootless: bool
    uid: int
    gid: int
    image_name: str
    image: LocalImage | None
    instance: InstanceDir
    lease: Lease
    container_name: str
    threads: int
    api_key: str
    host_port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchPlan:
    """A server to start: its command line, its container, and where it will answer.

    *endpoint* has port 0 until the engine has picked one for *published_port*.
    """

    model: StoredModel
    alias: str
    server: ServerSpec
    container: ContainerSpec
    endpoint: Endpoint
    published_port: int | None = None


def make_plan(
    options: ServeOptions,
    model: StoredModel,
    accelerator: Accelerator,
    runtime: Runtime,
    here: Circumstances,
) -> LaunchPlan:
    """Decide everything.

    Raises:
        OptionRefused: options contradict each other.
    """
    check_options(options)
    model_mounts, mounted = _mount_model(options, model)
    endpoint, listen, ports = _reach(options, here)
    server = runtime.server(
        mounted,
        options,
        listen=listen,
        threads=options.threads or here.threads,
        gpu=accelerator.kind is not AcceleratorKind.CPU,
        image=here.image,
    )
    container = _container(
        options, accelerator, here, server, mounts=_mounts(options, accelerator, here, model_mounts), ports=ports
    )
    return LaunchPlan(
        model=model,
        alias=mounted.alias,
        server=server,
        container=container,
        endpoint=endpoint,
        published_port=ports[0].container_port if ports else None,
    )


def check_options(options: ServeOptions) -> None:
    """Refuse what cannot go together, before anything is done.

    Raises:
        OptionRefused: see the message.
    """
    if options.network.startswith(_NETWORKLESS):
        msg = f"network mode {options.network!r} cannot publish a port for the chat; use none or bridge"
        raise OptionRefused(msg)
    if options.network == "none" and options.port is not None:
        msg = "--port makes no sense without a network; add --network bridge, or leave it out"
        raise OptionRefused(msg)


def _container(
    options: ServeOptions,
    accelerator: Accelerator,
    here: Circumstances,
    server: ServerSpec,
    *,
    mounts: tuple[Mount, ...],
    ports: tuple[PortBinding, ...],
) -> ContainerSpec:
    locked = not options.privileged
    oci_runtime, devices, device_env = _accelerate(options, accelerator)
    return ContainerSpec(
        image=here.image_name,
        entrypoint=server.entrypoint,
        command=server.argv,
        name=options.name or here.container_name,
        labels=_labels(options, here, ports),
        env={"HOME": "/tmp", **server.env, **device_env, **options.env},  # noqa: S108 (the container's)
        devices=devices,
        mounts=mounts,
        ports=ports,
        network=options.network,
        oci_runtime=oci_runtime,
        privileged=options.privileged,
        selinux_options=() if options.selinux and locked else ("disable",),
        cap_drop=("all",) if locked else (),
        no_new_privileges=locked,
        read_only=locked,
        # The server's socket must be ours to connect to, and the model ours to read.
        user="0:0" if here.rootless else f"{here.uid}:{here.gid}",
        groups=() if here.rootless else tuple(str(gid) for gid in accelerator.groups),
        keep_groups=options.keep_groups,
    )


def _mount_model(
    options: ServeOptions, model: StoredModel
) -> tuple[tuple[Mount, ...], MountedModel]:
    names = tuple(path.name for path in model.weights)
    if not all(_PLAIN_NAME.fullmatch(name) for name in names):
        names = _plain_names(len(names))
    mounts = tuple(
        BindMount(source=str(path), target=f"{_MODELS}/{name}", relabel=_relabel(options))
        for path, name in zip(model.weights, names, strict=True)
    )
    return mounts, MountedModel(alias=model.weights[0].stem, weights=f"{_MODELS}/{names[0]}")


def _plain_names(count: int) -> tuple[str, ...]:
    """Name the files of a model whose own names are no good as arguments."""
    if count == 1:
        return ("model.gguf",)
    return tuple(f"model-{number:05}-of-{count:05}.gguf" for number in range(1, count + 1))


def _relabel(options: ServeOptions) -> bool:
    return options.selinux and not options.privileged


def _mounts(
    options: ServeOptions,
    accelerator: Accelerator,
    here: Circumstances,
    model: tuple[Mount, ...],
) -> tuple[Mount, ...]:
    instance = BindMount(
        source=str(here.instance.path),
        target=_INSTANCE,
        read_only=options.network != "none",  # it holds the socket, or else the key
        relabel=_relabel(options),
    )
    drivers = (BindMount(source=path, target=path) for path in accelerator.library_paths)
    return (*model, instance, TmpfsMount(target="/tmp"), *drivers)  # noqa: S108 (the container's)


def _reach(
    options: ServeOptions, here: Circumstances
) -> tuple[Endpoint, Listen, tuple[PortBinding, ...]]:
    """Decide where the server listens, what is published, and where we shall find it."""
    key_file = f"{_INSTANCE}/{API_KEY_NAME}"
    if options.network == "none":
        listen = Listen(host=f"{_INSTANCE}/{SOCKET_NAME}")
        return UnixEndpoint(path=str(here.instance.socket)), listen, ()
    if options.network == "host":
        port = options.port or here.host_port or _PORT
        listen = Listen(host="127.0.0.1", port=port, api_key_file=key_file)
        return TcpEndpoint(host="127.0.0.1", port=port, api_key=here.api_key), listen, ()
    # Inside its network namespace the server listens everywhere; outside only loopback is bound.
    listen = Listen(host="0.0.0.0", port=_PORT, api_key_file=key_file)  # noqa: S104
    binding = PortBinding(container_port=_PORT, host_port=options.port or 0)
    endpoint = TcpEndpoint(host="127.0.0.1", port=options.port or 0, api_key=here.api_key)
    return endpoint, listen, (binding,)


def _accelerate(
    options: ServeOptions, accelerator: Accelerator
) -> tuple[str | None, tuple[Device, ...], Mapping[str, str]]:
    """Choose OCI runtime, devices and environment."""
    runtime = options.oci_runtime or accelerator.oci_runtime
    if options.devices == ():
        return runtime, (), {}
    devices: list[Device] = [CdiDevice(name=name) for name in accelerator.cdi_devices]
    devices += [HostDevice(source=path, target=path) for path in accelerator.device_paths]
    return runtime, (*devices, *(options.devices or ())), accelerator.env


def _labels(
    options: ServeOptions, here: Circumstances, ports: tuple[PortBinding, ...]
) -> dict[str, str]:
    labels = {
        LABEL: "",
        MODEL_LABEL: str(options.model),
        f"{LABEL}.engine": here.engine,
        f"{LABEL}.runtime": here.runtime,
        OWNER_LABEL: here.lease.format(),
    }
    if ports and ports[0].host_port:
        labels[f"{LABEL}.port"] = str(ports[0].host_port)
    return labels
