"""Use Podman through its REST API; podman-py's session sends the requests, the JSON is made here.

podman-py's own functions for create, pull, list, stop and logs fail silently in some cases, and its
`PodmanClient` fails with ordinary configuration files.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import re
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import quote

from ramalama_engines.errors import (
    ContainerNotFound,
    EngineError,
    EngineUnavailable,
)
from ramalama_engines.kinds import EngineKind
from ramalama_engines.podman.answers import (
    container_state,
    engine_info,
    listed_state,
    local_image,
    used_memory,
)
from ramalama_engines.podman.check import dropped_options, ignored_runtime
from ramalama_engines.podman.failures import (
    CREATE_FAILURES,
    START_FAILURES,
    failure,
    silently_dropped,
)
from ramalama_engines.podman.logs import LogStream, last_lines
from ramalama_engines.podman.pull import pull_request
from ramalama_engines.podman.rootless import requires_limits, rootless_drops
from ramalama_engines.podman.session import Request, Sessions
from ramalama_engines.podman.spec import libpod_spec
from ramalama_engines.rest.http import (
    elements,
    has_timed_out,
    peer_uid,
    repeated_if_lost,
    unavailable,
)
from ramalama_engines.rest.pull import pull_error, pull_progress
from ramalama_engines.rest.streams import json_lines
from ramalama_engines.rest.unix_route import unix_route
from ramalama_engines.spec import ContainerStatus
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ramalama_engines.image_summary import ImageSummary
    from ramalama_engines.podman.session import PodmanAnswer
    from ramalama_engines.podman.storage import PodmanStorage
    from ramalama_engines.route import Route, SshHost
    from ramalama_engines.spec import (
        ContainerFile,
        ContainerSpec,
        ContainerState,
        EngineInfo,
        LocalImage,
        PullProgress,
        RegistryAuth,
        Volume,
    )

_log = logging.getLogger(__name__)
_OK = 200
_CREATED = 201
_NO_CONTENT = 204
_NOT_MODIFIED = 304
_NOT_FOUND = 404
_CONTAINER = r"[a-zA-Z0-9][a-zA-Z0-9_.-]*"
_START_POLL = 0.01  # seconds
_WAIT_INTERVAL = "100ms"
_TAKES_RUNTIME = 6  # the first major version whose API supports an OCI runtime
_SHORTEST_WAIT = 0.05  # seconds; enough for an answer that has arrived already


class PodmanEngine:
    """A Podman service, 4.3 or later; see `Engine` for the methods.

    *route* is the way to it, which this object closes; without it, *url* must be that of a UNIX
    socket. *timeout* is how many seconds the service may send nothing in a call that does not wait.
    Creating this object sends no request: a service that does not run causes an error at the first
    call.
    """

    def __init__(self, url: str, *, timeout: float = 60.0, route: Route | None = None) -> None:
        self._url = url
        self._timeout = timeout
        self._route = route or unix_route(url, engine="podman")
        self._sessions = Sessions(self._route)

    @property
    def kind(self) -> EngineKind:
        """Return `EngineKind.PODMAN`."""
        return EngineKind.PODMAN

    @property
    def url(self) -> str:
        """The address, as it was given."""
        return self._url

    @property
    def ssh(self) -> SshHost | None:
        """The host of the service, if the way leads over ssh."""
        return self._route.ssh

    @property
    def rootless(self) -> bool:
        """Whether the socket's owner is not root; the kernel knows it without a request."""
        return self._rootless

    @cached_property
    def _rootless(self) -> bool:
        path = self._route.socket_path
        try:
            uid = peer_uid(path) if path is not None else None
        except OSError as exc:
            raise unavailable(exc, engine="podman", url=self._url) from exc
        return self.info.rootless if uid is None else uid != 0

    @property
    def info(self) -> EngineInfo:
        """The service's information about itself; podman 4.3 takes 0.3 s for it."""
        return engine_info(self._info, url=self._url)

    def image(self, image: str) -> LocalImage | None:
        """Return the local image *image*; None if it is not local."""
        if not image:  # podman would list all images
            return None
        answer = self._call("get", f"images/{quote(image, safe='')}/json")
        if answer.status == _NOT_FOUND:
            return None
        if answer.status != _OK:
            raise failure(answer.error, f"cannot inspect the image {image}")
        return local_image(answer.json)

    def images(self) -> Sequence[ImageSummary]:
        """Return all local images."""
        from ramalama_engines.rest.images import (  # noqa: PLC0415 (few commands list)
            image_summaries,
        )

        answer = self._call("get", "images/json")
        if answer.status != _OK:
            raise failure(answer.error, "cannot list images")
        return image_summaries(answer.json)

    def pull(
        self,
        image: str,
        *,
        auth: RegistryAuth | None = None,
        tls_verify: bool = True,
        on_progress: Callable[[PullProgress], None] | None = None,
    ) -> str:
        """Pull *image*; an exception closes the connection, which ends the pull."""
        request = pull_request(image, auth=auth, tls_verify=tls_verify)
        with self._sessions.spend() as session:
            answer, chunks = session.open_stream(request)
            if answer.status != _OK:
                raise pull_error(answer.error, image=image, engine="podman")
            for step in pull_progress(json_lines(chunks), image=image, engine="podman"):
                if on_progress is not None:
                    on_progress(step)
        pulled = self.image(image)
        if pulled is None:
            msg = "the pull ended without an image"
            raise pull_error(msg, image=image, engine="podman")
        return pulled.id

    def build(
        self,
        context: Path,
        *,
        tag: str,
        containerfile: str = "Containerfile",
        build_args: Mapping[str, str],
        on_progress: Callable[[str], None] | None = None,
    ) -> str:
        """Build *tag*; an exception closes the connection, and podman discards the build."""
        from ramalama_engines.podman.build import build  # noqa: PLC0415 (see above)
        from ramalama_engines.rest.build import built_id  # noqa: PLC0415 (few commands build)

        with self._sessions.spend() as session:
            build(
                session,
                context,
                tag=tag,
                containerfile=containerfile,
                build_args=build_args,
                on_progress=on_progress,
            )
        return built_id(self.image(tag), tag=tag, engine="podman")

    def load(self, archive: Iterable[bytes], *, tag: str) -> str:
        """Load *tag*; podman reads the whole archive before it looks at it."""
        from ramalama_engines.rest.load import (  # noqa: PLC0415 (few commands load)
            load_error,
            loaded_id,
        )

        request = Request(
            method="post",
            path="images/load",
            query={},
            timeout=None,  # a large image takes long to be unpacked
            upload=iter(archive),  # requests takes a list for the fields of a form
        )
        with self._sessions.spend() as session:
            answer = session.exchange(request)
        if answer.status != _OK:
            raise load_error(answer.error, tag=tag, engine="podman")
        return loaded_id(self.image(tag), tag=tag, engine="podman")

    def create(self, spec: ContainerSpec) -> str:
        """Create the container, inspect it and compare it with *spec*."""
        if dropped := tuple(self._known_drops(spec)):
            raise silently_dropped(dropped)
        answer = self._call("post", "containers/create", body=libpod_spec(spec))
        if answer.status != _CREATED:
            raise failure(answer.error, "cannot create the container", CREATE_FAILURES)
        for warning in elements(answer.json.get("Warnings")):
            _log.info("podman warns: %s", one_line(warning))
        container = str(answer.json["Id"])
        try:
            self._verify(spec, container, answer)
        except BaseException:
            with contextlib.suppress(EngineError):  # report the first failure
                self.remove(container, force=True)
            raise
        return container

    def _known_drops(self, spec: ContainerSpec) -> Iterator[str]:
        """Yield options that podman will ignore; ask for its information only if it matters."""
        if self.rootless:
            controllers = self._controllers if requires_limits(spec) else ()
            yield from rootless_drops(spec, controllers=controllers)
        if spec.oci_runtime is not None and _major(self.info.version) < _TAKES_RUNTIME:
            yield from ignored_runtime(spec, default=self.info.oci_runtime)

    def _verify(self, spec: ContainerSpec, container: str, created: PodmanAnswer) -> None:
        inspect = self._inspect(container)
        if dropped := dropped_options(spec, inspect, rootless=self.rootless):
            raise silently_dropped(dropped, server=created.server)

    def start(self, container: str) -> None:
        """Start the container; if it runs already, do nothing."""
        answer = self._call("post", _path(container, "start"))
        if answer.status not in {_NO_CONTENT, _NOT_MODIFIED}:
            raise failure(answer.error, f"cannot start the container {container}", START_FAILURES)

    def inspect(self, container: str) -> ContainerState:
        """Return the container's state."""
        return container_state(self._inspect(container))

    def list(self, labels: Mapping[str, str]) -> Sequence[ContainerState]:
        """Return the containers that have *labels*; the service filters them."""
        wanted = [f"{name}={value}" if value else name for name, value in labels.items()]
        filters = json.dumps({"label": wanted})
        answer = self._call("get", "containers/json", {"all": "true", "filters": filters})
        if answer.status != _OK:
            raise failure(answer.error, "cannot list containers")
        return tuple(listed_state(item) for item in elements(answer.json))

    def logs(
        self, container: str, *, follow: bool = False, tail: int | None = None
    ) -> Iterator[str]:
        """Return a `LogStream`, which any thread may close, or a generator of the last lines."""
        query: dict[str, str | int] = {"stdout": "true", "stderr": "true"}
        if follow:
            query["follow"] = "true"
        if follow and tail is not None:
            query["tail"] = tail
        request = Request(
            method="get",
            path=_path(container, "logs"),
            query=query,
            timeout=None if follow else self._timeout,
        )
        what = f"cannot read the log of the container {container}"
        stream = LogStream(self._sessions, request, failure=lambda text: failure(text, what))
        return stream if follow or tail is None else last_lines(stream, tail)

    def wait(self, container: str, *, timeout: float | None = None) -> int:
        """Wait for the end; podman also reports "exited" for a container that has not started."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            code = self._wait_for_exit(container, deadline)
            if code > 0:
                return code
            state = self.inspect(container)
            if state.exit_code is not None:
                return state.exit_code
            _sleep_until(deadline, container)

    def _wait_for_exit(self, container: str, deadline: float | None) -> int:
        """Let the service poll; a shorter interval would take more of a CPU core."""
        left = None if deadline is None else deadline - time.monotonic()
        request = Request(
            method="post",
            path=_path(container, "wait"),
            query={"condition": "exited", "interval": _WAIT_INTERVAL},
            timeout=None if left is None else max(left, _SHORTEST_WAIT),
        )
        try:
            answer = self._exchange(request)
        except EngineUnavailable as exc:
            if left is not None and has_timed_out(exc):
                raise TimeoutError(_still_runs(container)) from exc
            raise
        if answer.status != _OK:
            raise failure(answer.error, f"cannot wait for the container {container}")
        return int(answer.json)

    def stop(self, container: str, *, timeout: float = 10.0) -> None:
        """Stop the container; *timeout* is rounded up, since the service counts whole seconds."""
        seconds = math.ceil(timeout)
        request = Request(
            method="post",
            path=_path(container, "stop"),
            query={"timeout": seconds},
            timeout=self._timeout + seconds,
        )
        answer = self._exchange(request)
        if answer.status not in {_NO_CONTENT, _NOT_MODIFIED}:
            raise failure(answer.error, f"cannot stop the container {container}")

    def remove(self, container: str, *, force: bool = False) -> None:
        """Remove the container; *force* kills it with a separate request.

        Podman 4.3 removes a running llama-server in 75 ms by two requests, in 125 ms by one.
        """
        # "volumes" is the name in the libpod API since 4.0, "v" that of older and of Docker's API.
        query = {"v": "true", "volumes": "true"}
        with contextlib.suppress(ContainerNotFound):  # it may be removed already
            if force:
                self._call("post", _path(container, "kill"), {"signal": "KILL"})  # if it runs
                query |= {"force": "true", "timeout": "0"}
            answer = self._call("delete", _path(container), query)
            if answer.status not in {_OK, _NO_CONTENT}:
                raise failure(answer.error, f"cannot remove the container {container}")

    def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Create the volume, unless it exists."""
        self._storage.create_volume(name, labels)

    def volumes(self, labels: Mapping[str, str]) -> Sequence[Volume]:
        """Return the volumes that have *labels*."""
        return self._storage.volumes(labels)

    def remove_volume(self, name: str) -> None:
        """Remove the volume, unless a container uses it."""
        self._storage.remove_volume(name)

    def copy_into(self, container: str, directory: str, archive: Iterable[bytes]) -> None:
        """Look for *directory*, then send *archive*."""
        found = self.find_in(container, directory)
        self._storage.copy_into(_path(container), directory, archive, found=found)

    def find_in(self, container: str, path: str) -> ContainerFile | None:
        """Look for *path*; if nothing is found, also for the container."""
        found = self._storage.find_in(_path(container), path)
        if found is None:
            self._inspect(container)
        return found

    def read_from(self, container: str, path: str, *, most: int) -> Iterator[bytes]:
        """Yield the content of a regular file."""
        return self._storage.read_from(_path(container), path, most=most)

    def memory(self, container: str) -> int | None:
        """Ask once for the statistics; a rootless podman has none on a host with cgroup v1."""
        if self.inspect(container).status is not ContainerStatus.RUNNING:
            return None
        query = {"containers": container, "stream": "false"}
        answer = self._call("get", "containers/stats", query)
        return used_memory(answer.json) if answer.status == _OK else None

    def close(self) -> None:
        """Close every connection, including those of other threads."""
        self._sessions.close()
        self._route.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @cached_property
    def _storage(self) -> PodmanStorage:
        from ramalama_engines.podman.storage import (  # noqa: PLC0415 (a local run needs none)
            PodmanStorage,
        )

        return PodmanStorage(self._sessions, timeout=self._timeout)

    @cached_property
    def _info(self) -> Mapping[str, Any]:
        answer = self._call("get", "info")
        if answer.status != _OK:
            raise failure(answer.error, "cannot report its information")
        info: Mapping[str, Any] = answer.json
        return info

    @property
    def _controllers(self) -> Sequence[str]:
        return elements(self._info["host"].get("cgroupControllers"))

    def _inspect(self, container: str) -> Mapping[str, Any]:
        answer = self._call("get", _path(container, "json"))
        if answer.status != _OK:
            raise failure(answer.error, f"cannot inspect the container {container}")
        inspected: Mapping[str, Any] = answer.json
        return inspected

    def _call(
        self,
        method: Literal["get", "post", "delete"],
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Mapping[str, Any] | None = None,
    ) -> PodmanAnswer:
        request = Request(
            method=method, path=path, query=query or {}, timeout=self._timeout, body=body
        )
        if method == "get":
            return repeated_if_lost(lambda: self._exchange(request), self._route)
        return self._exchange(request)

    def _exchange(self, request: Request) -> PodmanAnswer:
        with self._sessions.borrow() as session:
            return session.exchange(request)


def _major(version: str) -> int:
    """Return the first number of a version; 0 if it has none."""
    digits = version.partition(".")[0]
    return int(digits) if digits.isdecimal() else 0


def _path(container: str, *rest: str) -> str:
    """Return the path of *container*; an invalid name must not lead to another path of the API."""
    if not re.fullmatch(_CONTAINER, container):
        msg = f"there is no container {container!r}"
        raise ContainerNotFound(msg, engine="podman")
    return "/".join(("containers", container, *rest))


def _sleep_until(deadline: float | None, container: str) -> None:
    """Pause before checking again a container that had not started."""
    if deadline is not None and time.monotonic() >= deadline:
        raise TimeoutError(_still_runs(container))
    time.sleep(_START_POLL)


def _still_runs(container: str) -> str:
    return f"the container {container} has not ended in time"
