"""An engine in memory, for the tests of RamaLama and of programs that embed it.

It starts no program. The test says what the program of each container does::

    engine = FakeEngine(
        images={"img": LocalImage(id="sha256:1")},
        script=lambda spec: FakeProgram(logs=("no such model",), exit_code=1),
    )
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from threading import Condition
from typing import TYPE_CHECKING, Self

from ramalama_engines.errors import (
    ContainerConflict,
    ContainerNotFound,
    ContainerStartError,
    EngineError,
    EngineUnavailable,
    ImageNotFound,
    ImagePullError,
    UnsupportedOption,
)
from ramalama_engines.fake.container import FakeContainer, FakeLog, FakeProgram
from ramalama_engines.fake.images import (
    FakeBuild,
    FakeImage,
    build_anything,
    load_image,
    summaries,
)
from ramalama_engines.fake.storage import FakeStorage
from ramalama_engines.kinds import EngineKind
from ramalama_engines.spec import ContainerState, ContainerStatus, EngineInfo, PullProgress
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

    from ramalama_engines.image_summary import ImageSummary
    from ramalama_engines.route import SshHost
    from ramalama_engines.spec import (
        ContainerFile,
        ContainerSpec,
        LocalImage,
        PortBinding,
        RegistryAuth,
        Volume,
    )

__all__ = ["FakeBuild", "FakeEngine", "FakeProgram", "FakePull"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_KILLED = 137  # 128 + SIGKILL
_JOINS = "container:"
_ROOT = Path("/")
_FIRST_PORT = 49152  # the first of IANA's dynamic ports


@frozen()
class FakePull:
    """A pull that was requested."""

    image: str
    auth: RegistryAuth | None
    tls_verify: bool


def _runs_until_stopped(_: ContainerSpec) -> FakeProgram:
    return FakeProgram()


class FakeEngine:
    """An `Engine` whose images and programs a test defines.

    *registry* maps an image to the result of its pull: the image, or the error. *builder* returns
    the image of a build, or raises an error; without one, every build succeeds. *script* says what
    the program of a container does; without one, every program runs until it is stopped. *ssh* is
    the host of an engine that is reached over ssh. *root* is the directory that is ``/`` on the
    engine's host: containers see files of it through bind mounts.
    """

    def __init__(  # noqa: PLR0913 (what a test may want to set)
        self,
        *,
        kind: EngineKind = EngineKind.PODMAN,
        images: Mapping[str, LocalImage] | None = None,
        registry: Mapping[str, LocalImage | EngineError] | None = None,
        builder: Callable[[FakeBuild], LocalImage] = build_anything,
        script: Callable[[ContainerSpec], FakeProgram] = _runs_until_stopped,
        info: EngineInfo | None = None,
        ssh: SshHost | None = None,
        root: Path = _ROOT,
    ) -> None:
        self._storage = FakeStorage(
            (info or _plain_info(kind)).kind, root, check_open=self._check_open
        )
        self._ssh = ssh
        self._info = info or _plain_info(kind)
        self._images = dict(images or {})
        self._registry = dict(registry or {})
        self._builder = builder
        self._script = script
        self._pulls: list[FakePull] = []
        self._builds: list[FakeBuild] = []
        self._loaded: dict[str, FakeImage] = {}
        self._containers: list[FakeContainer] = []
        self._numbers = count(1)
        self._ports = count(_FIRST_PORT)
        self._changed = Condition()
        self._closed = False

    @property
    def kind(self) -> EngineKind:
        """The kind, as it was given."""
        return self._info.kind

    @property
    def url(self) -> str:
        """An address that cannot be reached."""
        return self._info.url

    @property
    def ssh(self) -> SshHost | None:
        """The host, as it was given."""
        return self._ssh

    @property
    def rootless(self) -> bool:
        """Whether the engine is rootless, according to its *info*."""
        return self._info.rootless

    @property
    def info(self) -> EngineInfo:
        """The information that was given, or that of an ordinary engine."""
        return self._info

    @property
    def pulls(self) -> Sequence[FakePull]:
        """The pulls that were requested, including those that failed, in order."""
        return tuple(self._pulls)

    @property
    def builds(self) -> Sequence[FakeBuild]:
        """The builds that were requested, including those that failed, in order."""
        return tuple(self._builds)

    @property
    def anonymous_volumes(self) -> Sequence[str]:
        """The anonymous volumes of the containers, by name; an image says which it needs."""
        with self._open():
            return tuple(volume for found in self._containers for volume in found.volumes)

    def spec(self, container: str) -> ContainerSpec:
        """Return the spec of *container*."""
        with self._open():
            return self._find(container).spec

    def write(self, container: str, *lines: str) -> None:
        """Add *lines* to the log of *container*, as if its program wrote them."""
        with self._open():
            self._find(container).lines.extend(lines)

    def end(self, container: str, exit_code: int, *, oom_killed: bool = False) -> None:
        """End the program of *container*, if it runs, as if it ended by itself."""
        with self._open():
            found = self._find(container)
        self._end(found, exit_code, oom_killed=oom_killed)

    def image(self, image: str) -> LocalImage | None:
        """Return the image by its ID, or by exactly the name that it was given under."""
        with self._open():
            by_id = {local.id: local for local in self._images.values()}
            return self._images.get(image) or by_id.get(image)

    def images(self) -> Sequence[ImageSummary]:
        """Return the images that were given, pulled and built; they have no size."""
        with self._open():
            return summaries(self._images)

    def pull(
        self,
        image: str,
        *,
        auth: RegistryAuth | None = None,
        tls_verify: bool = True,
        on_progress: Callable[[PullProgress], None] | None = None,
    ) -> str:
        """Take the image from the given registry, with two steps of progress."""
        with self._open():
            self._pulls.append(FakePull(image=image, auth=auth, tls_verify=tls_verify))
            found = self._registry.get(image)
        if found is None:
            msg = f"cannot pull {image}: the registry has no such image"
            raise ImagePullError(msg, engine=self.kind)
        if isinstance(found, EngineError):
            raise found
        for done in (0, 100):
            if on_progress is not None:
                step = PullProgress(layer="layer", status="Downloading", current=done, total=100)
                on_progress(step)
        with self._open():
            self._images[image] = found
        return found.id

    def build(
        self,
        context: Path,
        *,
        tag: str,
        containerfile: str = "Containerfile",
        build_args: Mapping[str, str],
        on_progress: Callable[[str], None] | None = None,
    ) -> str:
        """Build with the given builder; the lines of the Containerfile are the steps."""
        asked = FakeBuild(
            context=context, tag=tag, containerfile=containerfile, build_args=dict(build_args)
        )
        with self._open():
            self._builds.append(asked)
        steps = asked.steps(self.kind)
        built = self._builder(asked)
        for step in steps:
            if on_progress is not None:
                on_progress(step)
        with self._open():
            self._images[tag] = built
        return built.id

    def load(self, archive: Iterable[bytes], *, tag: str) -> str:
        """Read the image *tag* from the archive."""
        with self._open():
            pass
        loaded = load_image(archive, tag=tag, engine=self.kind)
        with self._open():
            self._images[tag] = loaded.image
            self._loaded[loaded.image.id] = loaded
        return loaded.image.id

    def create(self, spec: ContainerSpec) -> str:
        """Create the container; reject a spec that no engine would accept."""
        with self._open():
            image = self._refuse(spec)
            program = self._script(spec)
            if program.create_error is not None:
                raise program.create_error
            number = next(self._numbers)
            state = ContainerState(
                id=f"{number:064x}",
                name=spec.name or f"fake-{number}",
                image=spec.image,
                status=ContainerStatus.CREATED,
                created=datetime.now(tz=UTC),
                labels={**image.labels, **spec.labels},
            )
            volumes = tuple(f"{state.id}{path}" for path in self._unmounted_volumes(spec))
            files = self._storage.prepare(spec.mounts)
            if image.id in self._loaded:
                files.update(self._loaded[image.id].files)
            self._containers.append(
                FakeContainer(spec=spec, program=program, state=state, volumes=volumes, files=files)
            )
            return state.id

    def start(self, container: str) -> None:
        """Start the container; its program does what the script says."""
        with self._open():
            found = self._find(container)
            program = found.program
            if found.is_running:
                return
            if program.start_error is not None:
                raise program.start_error
            self._check_joined(found.spec)
            ports = self._bind(found.spec)
            status = ContainerStatus.RUNNING
            found.state = replace(found.state, status=status, exit_code=None, ports=ports)
            found.lines.extend(program.logs)
        if program.on_start is not None:
            program.on_start()
        if program.exit_code is not None:
            self._end(found, program.exit_code)

    def inspect(self, container: str) -> ContainerState:
        """Return the container's state."""
        with self._open():
            found = self._find(container)
            return replace(found.state, network=found.spec.network)

    def list(self, labels: Mapping[str, str]) -> Sequence[ContainerState]:
        """Return the containers that match, the oldest first."""
        with self._open():
            return tuple(
                found.state
                for found in self._containers
                if all(
                    name in found.state.labels and value in ("", found.state.labels[name])
                    for name, value in labels.items()
                )
            )

    def logs(
        self, container: str, *, follow: bool = False, tail: int | None = None
    ) -> Iterator[str]:
        """Return a `FakeLog`, which any thread may close."""
        with self._open():
            found = self._find(container)
            first = 0 if tail is None else max(0, len(found.lines) - tail)
        return FakeLog(
            found, first=first, follow=follow, changed=self._changed, is_closed=lambda: self._closed
        )

    def wait(self, container: str, *, timeout: float | None = None) -> int:
        """Wait for `end`, `stop` or `remove`."""
        with self._open():
            found = self._find(container)
            self._changed.wait_for(
                lambda: self._closed or found.removed or found.state.exit_code is not None, timeout
            )
            self._check_open()
            if found.state.exit_code is not None:
                return found.state.exit_code
            if found.removed:
                raise self._no_such_container(container)
            msg = f"the container {container} has not ended yet"
            raise TimeoutError(msg)

    def stop(self, container: str, *, timeout: float = 10.0) -> None:
        """End the program as the script says; kill it if *timeout* is 0."""
        with self._open():
            found = self._find(container)
        self._end(found, found.program.stop_code if timeout > 0 else _KILLED)

    def remove(self, container: str, *, force: bool = False) -> None:
        """Remove the container."""
        with self._open():
            found = self._get(container)
        if found is None:
            return
        if force:
            self._end(found, _KILLED)
        with self._open():
            if found.is_running:
                msg = f"the container {container} runs; stop it first"
                raise EngineError(msg, engine=self.kind)
            if users := [each.state.name for each in self._containers if self._joins(each, found)]:
                msg = f"the container {container} is joined by {', '.join(users)}"
                raise EngineError(msg, engine=self.kind)
            if not found.removed:  # by another thread
                found.removed = True
                self._containers.remove(found)

    def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Create the volume, unless it exists."""
        with self._open():
            self._storage.create_volume(name, labels)

    def volumes(self, labels: Mapping[str, str]) -> Sequence[Volume]:
        """Return the volumes that have *labels*; see `anonymous_volumes` for the others."""
        with self._open():
            return self._storage.volumes(labels)

    def remove_volume(self, name: str) -> None:
        """Remove the volume, unless a container uses it."""
        with self._open():
            self._storage.remove_volume(name, self._containers)

    def copy_into(self, container: str, directory: str, archive: Iterable[bytes]) -> None:
        """Extract *archive* into a volume, or into a root that is not read-only."""
        with self._open():
            found = self._find(container)
        self._storage.copy_into(found, directory, archive)

    def find_in(self, container: str, path: str) -> ContainerFile | None:
        """Return what *path* is: a file that was copied, or one of the host in a bind mount."""
        with self._open():
            return self._storage.find_in(self._find(container), path)

    def read_from(self, container: str, path: str, *, most: int) -> Iterator[bytes]:
        """Yield the content of such a file."""
        with self._open():
            content = self._storage.read_from(self._find(container), path, most=most)
        yield content

    def memory(self, container: str) -> int | None:
        """Return what its program says."""
        with self._open():
            found = self._find(container)
            return found.program.memory if found.is_running else None

    def close(self) -> None:
        """Close the engine, and wake up all threads that wait."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @contextmanager
    def _open(self) -> Generator[None]:
        """Hold the lock while the engine is open, and notify all threads that wait."""
        with self._changed:
            self._check_open()
            yield
            self._changed.notify_all()

    def _check_open(self) -> None:
        if self._closed:
            msg = f"{self.kind} at {self.url}: closed"
            raise EngineUnavailable(msg, engine=self.kind)

    def _get(self, container: str) -> FakeContainer | None:
        return next((c for c in self._containers if container in (c.state.id, c.state.name)), None)

    def _find(self, container: str) -> FakeContainer:
        found = self._get(container)
        if found is None:
            raise self._no_such_container(container)
        return found

    def _no_such_container(self, container: str) -> ContainerNotFound:
        return ContainerNotFound(f"there is no container {container!r}", engine=self.kind)

    def _refuse(self, spec: ContainerSpec) -> LocalImage:
        """Return the image of *spec*, unless no engine would accept *spec*."""
        image = self.image(spec.image)
        if image is None:
            msg = f"there is no local image {spec.image}"
            raise ImageNotFound(msg, engine=self.kind)
        if spec.name is not None and not _NAME.fullmatch(spec.name):
            msg = f"{spec.name!r} is not a valid name for a container"
            raise UnsupportedOption(msg, engine=self.kind)
        if spec.name is not None and self._get(spec.name) is not None:
            msg = f"the name {spec.name} is used by another container"
            raise ContainerConflict(msg, engine=self.kind)
        if spec.ports and spec.network in ("none", "host"):
            msg = f"cannot publish ports with network {spec.network!r}"
            raise UnsupportedOption(msg, engine=self.kind)
        return image

    def _check_joined(self, spec: ContainerSpec) -> None:
        """Raise an error unless the container runs whose network *spec* joins, if any."""
        joined = spec.network.removeprefix(_JOINS)
        if joined != spec.network and not self._find(joined).is_running:
            msg = f"cannot join the network of {joined}, which does not run"
            raise ContainerStartError(msg, engine=self.kind)

    def _joins(self, container: FakeContainer, other: FakeContainer) -> bool:
        names = {f"{_JOINS}{other.state.id}", f"{_JOINS}{other.state.name}"}
        return container.spec.network in names

    def _unmounted_volumes(self, spec: ContainerSpec) -> Iterator[str]:
        """Yield the directories for which an engine would make a volume."""
        image = self.image(spec.image) if spec.image_volumes else None
        mounted = {mount.target for mount in spec.mounts}
        yield from (path for path in (image.volumes if image else ()) if path not in mounted)

    def _bind(self, spec: ContainerSpec) -> tuple[PortBinding, ...]:
        taken = {
            (port.host_address, port.host_port)
            for other in self._containers
            if other.is_running
            for port in other.state.ports
        }
        for port in spec.ports:
            if (port.host_address, port.host_port) in taken:
                msg = f"{port.host_address}:{port.host_port} is used by another container"
                raise ContainerConflict(msg, engine=self.kind)
        return tuple(
            replace(port, host_port=port.host_port or next(self._ports)) for port in spec.ports
        )

    def _end(self, container: FakeContainer, exit_code: int, *, oom_killed: bool = False) -> None:
        with self._open():
            if container.ends:  # by another thread
                self._changed.wait_for(lambda: not container.ends)
            if not container.is_running:
                return
            container.ends = True
        try:
            if container.program.on_end is not None:
                container.program.on_end()
        finally:
            with self._changed:
                container.ends = False
                container.state = replace(
                    container.state,
                    status=ContainerStatus.EXITED,
                    exit_code=exit_code,
                    oom_killed=oom_killed,
                    ports=(),
                )
                self._changed.notify_all()


def _plain_info(kind: EngineKind) -> EngineInfo:
    return EngineInfo(
        kind=kind,
        version="1.0",
        api_version="1.0",
        url=f"unix:///nowhere/{kind}.sock",
        rootless=False,
        user_namespace=False,
        oci_runtime="runc",
        oci_runtimes=("runc",),
        selinux=False,
        cgroup_version=2,
        id=f"{kind}-in-memory",
        host="nowhere",
        cpus=4,
        memory=8 << 30,
        kernel=os.uname().release,
    )
