"""Make the plan of a server from its inputs; pure functions.

The API call, `--dryrun` and every generator read the same `LaunchPlan`.
"""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING

from ramalama.config.api_name import ApiName
from ramalama.config.defaults import LOOPBACK
from ramalama.planning.checks import check_options
from ramalama.planning.labels import (
    ALIAS_LABEL,
    API_KEY_NAME,
    API_LABEL,
    COMPANION_LABEL,
    COMPANIONS_LABEL,
    CONFIG_NAME,
    EMBEDDINGS,
    ENGINE_LABEL,
    HOST_LABEL,
    INSTANCE_LABEL,
    LABEL,
    MODEL_LABEL,
    OWNER_LABEL,
    PLAN_LABEL,
    PORT_LABEL,
    RUNTIME_LABEL,
    SOCKET_NAME,
    companion_names,
)
from ramalama.planning.mounts import cover_volumes, model_files
from ramalama.runtimes import find_runtime
from ramalama.runtimes.base import ListenAddress, ServerEnvironment
from ramalama_accel.values import AcceleratorKind
from ramalama_chat.client.endpoint import TcpEndpoint, UnixEndpoint
from ramalama_engines.kinds import EngineKind
from ramalama_engines.spec import (
    BindMount,
    CdiDevice,
    ContainerSpec,
    HostDevice,
    PortBinding,
    TmpfsMount,
)
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ramalama.config.options import ServeOptions
    from ramalama.models.store.stored_model import StoredModel
    from ramalama.planning.inputs import LaunchEnvironment, PlanInputs
    from ramalama.runtimes.base import MountedModel, ServerSpec
    from ramalama_accel.values import Accelerator
    from ramalama_chat.client.endpoint import Endpoint
    from ramalama_engines.spec import Device, Mount


_INSTANCE = "/run/ramalama"
_TMP = "/tmp"  # noqa: S108 (the container's own)
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 (likewise)
_PORT = 8080

# The socket of a server that has ended stays, and no server listens on a path that exists. So the
# one of a container that is started again is removed before.
_FRESH_SOCKET = ("sh", "-c", '[ ! -S "$0" ] || rm -f "$0"; exec "$@"')

# Bytes of the file systems in memory; they count as memory of the container. Drivers of GPUs keep
# their compiled programs in /tmp, and servers that compile keep more there.
_TMP_SIZE = 1 << 30
_COMPILER_TMP_SIZE = 8 << 30
_SHARED_MEMORY_SIZE = 8 << 30
_LOG_SIZE = 16 << 20  # bytes
_PIDS_LIMIT = 8192  # threads count; vLLM has thousands on a large host


@frozen()
class LaunchPlan:
    """The plan of a server: its command line, its container, and its endpoint.

    Attributes:
        endpoint: it has port 0 until the engine has chosen a host port for *published_port*.
        companions: the containers beside that of the server, whose network they join. They are
            started after it and removed before it. Their *network* names its container.
        files: what the server's directory has to contain, by name.
    """

    model: StoredModel
    alias: str
    server: ServerSpec
    container: ContainerSpec
    endpoint: Endpoint
    published_port: int | None = None
    companions: tuple[ContainerSpec, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


def make_plan(inputs: PlanInputs, here: LaunchEnvironment) -> LaunchPlan:
    """Make the plan of the server that *inputs* describe.

    Raises:
        OptionRefused: options contradict each other.
    """
    check_options(inputs.options)
    return _Planner(inputs, here).plan()


def with_digest(plan: LaunchPlan, digest: str) -> LaunchPlan:
    """Return *plan* with the label of *digest*, by which other processes find the server."""
    labels = {**plan.container.labels, PLAN_LABEL: digest}
    return replace(plan, container=replace(plan.container, labels=labels))


def without_shell(spec: ContainerSpec) -> ContainerSpec | None:
    """Return *spec* for an image without a shell; None if it needs none.

    Such a container cannot be started again: its first socket stays.
    """
    begin = len(_FRESH_SOCKET)
    if spec.entrypoint is None or spec.entrypoint[:begin] != _FRESH_SOCKET:
        return None
    return replace(spec, entrypoint=spec.entrypoint[begin + 1 :])


@frozen(kw_only=False)
class _Planner:
    """Makes one plan; each method decides a part of it."""

    inputs: PlanInputs
    here: LaunchEnvironment

    @property
    def options(self) -> ServeOptions:
        return self.inputs.options

    @property
    def accelerator(self) -> Accelerator:
        return self.inputs.accelerator

    def plan(self) -> LaunchPlan:
        listen, endpoint, ports = self._reach()
        mounted, server, placed = self._server(listen)
        directory = () if self._has_stack else (self._directory,)
        mounts = self._covered((*placed, *directory, *self._mounts(server)))
        plan = LaunchPlan(
            model=self.inputs.model,
            alias=mounted.alias,
            server=server,
            container=replace(
                self._container(server, mounts, ports),
                labels=self._labels(mounted.alias, endpoint),
            ),
            endpoint=endpoint,
            published_port=ports[0].container_port if ports else None,
            files=_key_file(endpoint),
        )
        return self._with_stack(plan) if self._has_stack else plan

    def plan_beside(self, plan: LaunchPlan, listen: ListenAddress) -> tuple[str, ContainerSpec]:
        """Return the alias and the container of an embeddings server beside that of *plan*."""
        mounted, server, placed = self._server(listen)
        name = plan.container.name or ""
        labels = {
            **plan.container.labels,
            MODEL_LABEL: str(self.options.model),
            ALIAS_LABEL: mounted.alias,
            RUNTIME_LABEL: self.options.runtime.value,
            COMPANION_LABEL: EMBEDDINGS,
            COMPANIONS_LABEL: "",
            PLAN_LABEL: "",
        }
        container = replace(
            self._container(server, self._covered((*placed, *self._mounts(server))), ()),
            name=companion_names(name, EMBEDDINGS)[0],
            labels=labels,
            network=f"container:{name}",
        )
        return mounted.alias, container

    def _server(self, listen: ListenAddress) -> tuple[MountedModel, ServerSpec, tuple[Mount, ...]]:
        """Return the model in the container, its server, and the mounts of its files."""
        mounted, files = model_files(self.inputs.model)
        mounted = replace(mounted, embedding=self.inputs.embedding)
        without = self.options.devices == ()
        environment = ServerEnvironment(
            listen=listen,
            threads=self.options.threads or self.here.threads,
            kind=AcceleratorKind.CPU if without else self.accelerator.kind,
            gpus=0 if without else len(self.accelerator.gpus),
            image=self.inputs.image,
        )
        server = find_runtime(self.options.runtime).server(mounted, self.options, environment)
        return mounted, server, self.here.placement.model(files, relabel=self._relabel)

    def _covered(self, mounts: tuple[Mount, ...]) -> tuple[Mount, ...]:
        """Return *mounts*, and what covers the other volumes of the image."""
        image = self.inputs.image
        return (
            mounts
            if image is None
            else (*mounts, *cover_volumes(image, self.inputs.image_name, mounts))
        )

    def _with_stack(self, plan: LaunchPlan) -> LaunchPlan:
        """Return *plan* with the container of the stack, which answers in place of the server."""
        from ramalama.planning import stack  # noqa: PLC0415 (rarely needed)

        embedder: stack.StackEmbedder | None = None
        beside: tuple[ContainerSpec, ...] = ()
        if inputs := self.inputs.embedder:
            here = replace(self.here, placement=self.here.beside or self.here.placement)
            alias, container = _Planner(inputs, here).plan_beside(plan, stack.EMBEDDINGS_SERVER)
            embedder, beside = stack.StackEmbedder.of(alias, inputs), (container,)
        config = stack.stack_config(self.inputs, plan.alias, plan.endpoint, embedder)
        front = stack.stack_container(
            self.inputs, self.here, plan.container, plan.endpoint, embedder
        )
        return replace(
            plan,
            alias=stack.model_name(plan.alias),
            server=replace(plan.server, health_path=stack.STACK_HEALTH),
            companions=(*beside, front),
            files={**plan.files, CONFIG_NAME: config},
        )

    def _container(
        self, server: ServerSpec, mounts: tuple[Mount, ...], ports: tuple[PortBinding, ...]
    ) -> ContainerSpec:
        options, here = self.options, self.here
        locked = not options.privileged
        memory, optional = self._memory_limit(server)
        devices, device_env = self._devices()
        return ContainerSpec(
            image=self.inputs.image_name,
            entrypoint=self._entrypoint(server),
            command=server.argv,
            name=options.name or here.container_name,
            env={"HOME": _TMP, **server.env, **device_env, **options.env},
            devices=devices,
            mounts=mounts,
            ports=ports,
            network=self._network,
            oci_runtime=options.oci_runtime or self.accelerator.oci_runtime,
            privileged=options.privileged,
            selinux_options=() if self._relabel else ("disable",),
            cap_drop=("all",) if locked else (),
            no_new_privileges=locked,
            read_only=locked,
            # So the invoking user can connect to the socket, and the server can read the model.
            user="0:0" if here.rootless else f"{here.uid}:{here.gid}",
            # With userns-remap, these IDs would not be the user's, who has the directory.
            userns="host" if here.engine == EngineKind.DOCKER and not here.rootless else None,
            groups=() if here.rootless else tuple(map(str, self.accelerator.groups)),
            keep_groups=options.keep_groups,
            pids_limit=_PIDS_LIMIT,
            memory_limit=memory,
            optional_limits=("pids_limit", *optional),
            log_size=_LOG_SIZE,
        )

    def _entrypoint(self, server: ServerSpec) -> tuple[str, ...] | None:
        """Return the server's program, after the removal of an old socket if it makes one."""
        if self._network != "none" or self._has_stack or server.entrypoint is None:
            return server.entrypoint
        return (*_FRESH_SOCKET, f"{_INSTANCE}/{SOCKET_NAME}", *server.entrypoint)

    def _memory_limit(self, server: ServerSpec) -> tuple[int | None, tuple[str, ...]]:
        """Return the limit, and its name if the server may run without it."""
        if self.options.memory is not None:
            return self.options.memory or None, ()
        if self.inputs.model_memory is None:
            return None, ()
        return self.inputs.model_memory + server.working_memory, ("memory_limit",)

    @property
    def _network(self) -> str:
        """The network of the container: without sockets, only a port leads to the server."""
        asked = self.options.network
        return "bridge" if asked == "none" and not self.here.placement.has_sockets else asked

    @property
    def _address(self) -> str:
        """The address of the engine's host at which the server is reached by a port."""
        asked = self.options.host
        return self.here.placement.published_on if asked == LOOPBACK else asked

    @property
    def _relabel(self) -> bool:
        return self.options.selinux and not self.options.privileged

    @property
    def _has_stack(self) -> bool:
        return self.options.api is ApiName.LLAMA_STACK

    @property
    def _directory(self) -> Mount:
        """The server's directory."""
        return self.here.placement.server(
            self.here.instance,
            target=_INSTANCE,
            read_only=self._network != "none",  # it holds the socket, or otherwise the API key
            relabel=self._relabel,
        )

    def _mounts(self, server: ServerSpec) -> Iterator[Mount]:
        size = _COMPILER_TMP_SIZE if server.compiles else _TMP_SIZE
        yield TmpfsMount(target=_TMP, size=size, executable=server.compiles)
        if server.shared_memory:
            yield TmpfsMount(target=_SHARED_MEMORY, size=_SHARED_MEMORY_SIZE)
        for library in self.accelerator.library_paths:
            yield BindMount(source=library, target=library)

    def _reach(self) -> tuple[ListenAddress, Endpoint, tuple[PortBinding, ...]]:
        """Return the server's listen address, its endpoint on the host, and the published ports."""
        key = self.options.api_key or self.here.api_key
        key_file, address = f"{_INSTANCE}/{API_KEY_NAME}", self._address
        if self._has_stack:
            return self._reach_stack(key)
        if self._network == "none":
            listen = ListenAddress(host=f"{_INSTANCE}/{SOCKET_NAME}")
            return listen, UnixEndpoint(path=str(self.here.instance.socket)), ()
        if self._network == "host":
            port = self.options.port or self.here.host_port or _PORT
            listen = ListenAddress(host=address, port=port, api_key_file=key_file)
            return listen, TcpEndpoint(host=reachable(address), port=port, api_key=key), ()
        # The server listens on all addresses of its own network namespace. Only *address* is
        # published on the host.
        listen = ListenAddress(host="0.0.0.0", port=_PORT, api_key_file=key_file)  # noqa: S104 (see above)
        return listen, *self._publish(_PORT, key)

    def _reach_stack(self, key: str) -> tuple[ListenAddress, Endpoint, tuple[PortBinding, ...]]:
        """Return the same, where the stack listens for clients, and the server for the stack."""
        from ramalama.planning import stack  # noqa: PLC0415 (rarely needed)

        if self._network == "none":
            return stack.MODEL_SERVER, UnixEndpoint(path=str(self.here.instance.socket)), ()
        return stack.MODEL_SERVER, *self._publish(stack.STACK_PORT, key)

    def _publish(self, port: int, key: str) -> tuple[Endpoint, tuple[PortBinding, ...]]:
        """Return the endpoint of a *port* of the container that is published, and its binding."""
        address = self._address
        binding = PortBinding(
            container_port=port,
            host_port=self.options.port or self.here.host_port or 0,
            host_address=address,
        )
        endpoint = TcpEndpoint(host=reachable(address), port=binding.host_port, api_key=key)
        return endpoint, (binding,)

    def _devices(self) -> tuple[tuple[Device, ...], Mapping[str, str]]:
        if self.options.devices == ():
            return (), {}
        found: list[Device] = [CdiDevice(name=name) for name in self.accelerator.cdi_devices]
        found += [HostDevice(source=node, target=node) for node in self.accelerator.device_paths]
        return (*found, *(self.options.devices or ())), self.accelerator.env

    def _labels(self, alias: str, endpoint: Endpoint) -> dict[str, str]:
        port = endpoint.port if isinstance(endpoint, TcpEndpoint) else 0
        return {
            LABEL: "",
            MODEL_LABEL: str(self.options.model),
            ALIAS_LABEL: alias,
            ENGINE_LABEL: self.here.engine,
            RUNTIME_LABEL: self.options.runtime.value,
            OWNER_LABEL: self.here.identity.format(),
            INSTANCE_LABEL: str(self.here.instance.path),
            PLAN_LABEL: "",  # see `with_digest`
            HOST_LABEL: self._address if port else "",
            PORT_LABEL: str(port or ""),
            API_LABEL: self.options.api.value if self._has_stack else "",
            COMPANION_LABEL: "",
            COMPANIONS_LABEL: self.inputs.companions,
        }


def _key_file(endpoint: Endpoint) -> dict[str, str]:
    key = endpoint.api_key if isinstance(endpoint, TcpEndpoint) else None
    return {} if key is None else {API_KEY_NAME: f"{key}\n"}


def reachable(address: str) -> str:
    """Return the address to connect to for a server that listens at *address*."""
    return {"0.0.0.0": LOOPBACK, "::": "::1"}.get(address, address)  # noqa: S104 (an address to connect to)
