"""Use Docker through its REST API; docker-py's client sends the requests, the JSON is made here."""

from __future__ import annotations

import json
import logging
import math
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

from ramalama_engines.docker.answers import (
    engine_info,
    inspected_container,
    is_rootless,
    listed_container,
    local_image,
    skips_tls,
    used_memory,
)
from ramalama_engines.docker.api import DockerApi, checked
from ramalama_engines.docker.failures import (
    NO_CDI,
    create_failure,
    error_text,
    no_such_container,
    read_answer,
    start_failure,
    unsupported,
)
from ramalama_engines.docker.logs import LogStream
from ramalama_engines.docker.pull import pull_headers, pull_params, tls_remedy
from ramalama_engines.docker.session import CONFLICT, ENGINE, NOT_FOUND
from ramalama_engines.docker.spec import (
    create_body,
    dropped,
    has_cdi,
    named_network,
    refusals,
    renamed_devices,
    unrelabelable,
    wants_relabel,
)
from ramalama_engines.errors import (
    ContainerNotFound,
    EngineError,
    EngineUnavailable,
    UnknownRuntime,
)
from ramalama_engines.image_reference import ImageReference, is_image_id
from ramalama_engines.kinds import EngineKind
from ramalama_engines.rest.http import has_timed_out, peer_uid, unavailable
from ramalama_engines.rest.pull import pull_error, pull_progress
from ramalama_engines.rest.streams import json_lines
from ramalama_engines.rest.unix_route import unix_route
from ramalama_engines.spec import ContainerStatus
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ramalama_engines.docker.storage import DockerStorage
    from ramalama_engines.image_summary import ImageSummary
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
_RUNS = (ContainerStatus.RUNNING, ContainerStatus.PAUSED)
_ROOT = Path("/")


class DockerEngine:
    """A Docker daemon, 20.10 or later; see `Engine` for the methods.

    *route* is the way to it, which this object closes; without it, *url* must be that of a UNIX
    socket. *timeout* is how many seconds the daemon may send nothing in a call that does not wait.
    *root* is the directory that contains this machine's /sys. Creating this object sends no
    request: a daemon that does not run causes an error at the first call.
    """

    def __init__(
        self, url: str, *, timeout: float = 60.0, route: Route | None = None, root: Path = _ROOT
    ) -> None:
        self._url = url
        self._root = root
        self._route = route or unix_route(url, engine=ENGINE)
        self._api = DockerApi(self._route, timeout=timeout)
        self._lock = Lock()
        self._said: tuple[dict[str, Any], str] | None = None
        self._rootless: bool | None = None

    @property
    def kind(self) -> EngineKind:
        """Return `EngineKind.DOCKER`."""
        return EngineKind.DOCKER

    @property
    def url(self) -> str:
        """The address, as it was given."""
        return self._url

    @property
    def ssh(self) -> SshHost | None:
        """The host of the daemon, if the way leads over ssh."""
        return self._route.ssh

    @property
    def rootless(self) -> bool:
        """Whether the socket's owner is not root; the kernel knows it without a request."""
        if self._rootless is None:
            uid = self._peer_uid()
            self._rootless = is_rootless(self._info_answer()[0]) if uid is None else uid != 0
        return self._rootless

    @property
    def info(self) -> EngineInfo:
        """The daemon's information about itself."""
        answer, api_version = self._info_answer()
        return engine_info(answer, url=self._url, api_version=api_version, rootless=self.rootless)

    def image(self, image: str) -> LocalImage | None:
        """Inspect *image*; text that is not a reference could be another path of the API."""
        if not is_image_id(image):
            try:
                ImageReference.parse(image)
            except ValueError:
                return None
        response = self._api.send("GET", f"/images/{image}/json")
        if response.status_code == NOT_FOUND:
            return None
        return local_image(read_answer(checked(response).content))

    def images(self) -> Sequence[ImageSummary]:
        """Return all local images."""
        from ramalama_engines.rest.images import (  # noqa: PLC0415 (few commands list)
            image_summaries,
        )

        return image_summaries(self._api.ask("/images/json"))

    def pull(
        self,
        image: str,
        *,
        auth: RegistryAuth | None = None,
        tls_verify: bool = True,
        on_progress: Callable[[PullProgress], None] | None = None,
    ) -> str:
        """Pull *image*; an exception closes the connection, which ends the pull.

        The daemon never verifies the certificate of a registry on the loopback network.
        """
        try:
            reference = ImageReference.parse(image)
        except ValueError as exc:
            raise pull_error(str(exc), image=image, engine=ENGINE) from exc
        if not (tls_verify or skips_tls(self._info_answer()[0], reference)):
            raise unsupported(tls_remedy(reference))
        with self._api.open(
            "POST",
            "/images/create",
            params=pull_params(reference),
            headers=pull_headers(reference, auth),
        ) as response:
            if not response.ok:
                raise pull_error(error_text(response), image=image, engine=ENGINE)
            answers = json_lines(self._api.chunks(response))
            for step in pull_progress(answers, image=image, engine=ENGINE):
                if on_progress is not None:
                    on_progress(step)
        pulled = self.image(image)
        if pulled is None:
            text = "the pull ended without an image"
            raise pull_error(text, image=image, engine=ENGINE)
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
        """Build *tag*; an exception closes the connection, which ends the build."""
        from ramalama_engines.docker.build import build  # noqa: PLC0415 (see above)
        from ramalama_engines.rest.build import built_id  # noqa: PLC0415 (few commands build)

        build(
            self._api,
            context,
            tag=tag,
            containerfile=containerfile,
            build_args=build_args,
            on_progress=on_progress,
        )
        return built_id(self.image(tag), tag=tag, engine=ENGINE)

    def load(self, archive: Iterable[bytes], *, tag: str) -> str:
        """Load *tag*; the daemon reads the whole archive before it looks at it."""
        from ramalama_engines.rest.load import (  # noqa: PLC0415 (few commands load)
            follow_load,
            load_error,
            loaded_id,
        )

        self.image(tag)  # an upload that is no file cannot be the first request
        content = iter(archive)  # requests takes a list for the fields of a form
        params = {"quiet": "true"}
        with self._api.open("POST", "/images/load", params=params, upload=content) as response:
            if not response.ok:
                raise load_error(error_text(response), tag=tag, engine=ENGINE)
            follow_load(json_lines(self._api.chunks(response)), tag=tag, engine=ENGINE)
        return loaded_id(self.image(tag), tag=tag, engine=ENGINE)

    def create(self, spec: ContainerSpec) -> str:
        """Reject options that Docker would ignore; create the container, inspect it and compare."""
        self._refuse(spec)
        relabel = wants_relabel(spec) and self._separates_by_selinux()
        if relabel:
            self._try_mounts(spec)
        body = create_body(spec, relabel=relabel)
        container, warnings = self._create(body, spec.name)
        try:
            self._compare(container, spec, body, warnings)
        except BaseException:
            with suppress(EngineError):  # report the first failure
                self.remove(container, force=True)
            raise
        return container

    def start(self, container: str) -> None:
        """Start the container; if it runs already, do nothing."""
        response = self._api.tell(container, "POST", "/start")
        if not response.ok:
            raise start_failure(error_text(response), image=self.inspect(container).image)

    def inspect(self, container: str) -> ContainerState:
        """Return the container's state."""
        return inspected_container(self._api.ask_about(container))

    def list(self, labels: Mapping[str, str]) -> Sequence[ContainerState]:
        """Return the containers that have *labels*; the daemon filters them."""
        wanted = [f"{name}={value}" if value else name for name, value in labels.items()]
        params = {"all": "1", "filters": json.dumps({"label": wanted})}
        answer = self._api.ask("/containers/json", params=params)
        return tuple(listed_container(item) for item in answer)

    def logs(
        self, container: str, *, follow: bool = False, tail: int | None = None
    ) -> Iterator[str]:
        """Return a `LogStream`, which any thread may close."""
        params = {"stdout": "1", "stderr": "1", "follow": str(int(follow))}
        if tail is not None:
            params["tail"] = str(tail)
        response = self._api.follow(container, "GET", "/logs", params=params)

        def check() -> None:
            # If the daemon dies, the log ends as if the container had ended.
            with suppress(ContainerNotFound):
                self.inspect(container)

        return LogStream(response, self._api.chunks(response), at_end=check)

    def wait(self, container: str, *, timeout: float | None = None) -> int:
        """Wait for the daemon's answer, which comes as soon as the container has ended."""
        if timeout is not None and timeout <= 0:
            return self._exit_code_by_now(container)
        try:
            return self._wait(container, timeout)
        except EngineUnavailable as exc:
            if timeout is None or not has_timed_out(exc):
                raise
            return self._exit_code_by_now(container)

    def stop(self, container: str, *, timeout: float = 10.0) -> None:
        """Stop the container; *timeout* is rounded up, since the daemon counts whole seconds."""
        seconds = max(0, math.ceil(timeout))
        params = {"t": str(seconds)}
        checked(self._api.tell(container, "POST", "/stop", params=params, extra_time=seconds))

    def remove(self, container: str, *, force: bool = False) -> None:
        """Remove the container with one request, or wait if another client is removing it."""
        params = {"v": "1", "force": str(int(force))}
        with suppress(ContainerNotFound):  # it may be removed already
            response = self._api.tell(container, "DELETE", params=params)
            if response.status_code == CONFLICT and "already in progress" in response.text:
                until = {"condition": "removed"}
                response = self._api.tell(container, "POST", "/wait", params=until)
            checked(response)

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
        self._storage.copy_into(container, directory, archive)

    def find_in(self, container: str, path: str) -> ContainerFile | None:
        """Look for *path*; if nothing is found, also for the container."""
        return self._storage.find_in(container, path)

    def read_from(self, container: str, path: str, *, most: int) -> Iterator[bytes]:
        """Yield the content of a regular file."""
        return self._storage.read_from(container, path, most=most)

    def memory(self, container: str) -> int | None:
        """Ask once for the statistics."""
        params = {"stream": "0", "one-shot": "1"}
        answer = self._api.tell(container, "GET", "/stats", params=params)
        return used_memory(read_answer(checked(answer).content))

    def close(self) -> None:
        """Close every connection, including those of other threads."""
        self._api.close()
        self._route.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @cached_property
    def _storage(self) -> DockerStorage:
        from ramalama_engines.docker.storage import (  # noqa: PLC0415 (a local run needs none)
            DockerStorage,
        )

        return DockerStorage(self._api)

    def _refuse(self, spec: ContainerSpec) -> None:
        """Reject options that Docker would ignore, or would reject only at the start."""
        for reason in refusals(spec):
            raise unsupported(reason)
        if spec.oci_runtime and spec.oci_runtime not in self.info.oci_runtimes:
            known = ", ".join(self.info.oci_runtimes)
            msg = f"this Docker has no OCI runtime {spec.oci_runtime!r}; it has {known}"
            raise UnknownRuntime(msg, engine=ENGINE)
        if has_cdi(spec) and not self.info.cdi:
            raise unsupported(NO_CDI)
        for device in renamed_devices(spec):
            if self.rootless or (spec.userns != "host" and self.info.user_namespace):
                what = (
                    f"give the device {device.source} another name, {device.target}, because its "
                    f"containers have a user namespace; use --device {device.source}"
                )
                raise unsupported(what)
        if network := named_network(spec):
            networks = self._api.ask("/networks")
            names = sorted(str(known["Name"]) for known in networks)
            if network not in names:
                what = f"use the network {network!r}; it has {', '.join(names)}"
                raise unsupported(what)

    def _separates_by_selinux(self) -> bool:
        """Return whether the daemon uses SELinux; ask it (8 ms) only if the kernel may have it.

        A kernel with SELinux has this directory, mounted or not, in a container, too. Of another
        host, or on a system other than Linux, nothing is known about the kernel that runs the
        containers.
        """
        kernel = self._root / "sys/fs"
        is_local = self._route.socket_path is not None
        rules_out = is_local and kernel.is_dir() and not (kernel / "selinux").exists()
        return not rules_out and self.info.selinux

    def _try_mounts(self, spec: ContainerSpec) -> None:
        """Let the daemon check the mounts in their long form.

        In the short form, the only one that sets labels, it creates a directory for a missing
        source.
        """
        for reason in unrelabelable(spec):
            raise unsupported(reason)
        trial, _ = self._create(create_body(spec, relabel=False), None)
        self.remove(trial)

    def _create(self, body: Mapping[str, Any], name: str | None) -> tuple[str, Sequence[str]]:
        """Return the new container's ID and the daemon's warnings."""
        params = None if name is None else {"name": name}
        response = self._api.send("POST", "/containers/create", params=params, body=body)
        if not response.ok:
            raise create_failure(error_text(response), status=response.status_code)
        answer = read_answer(response.content)
        return answer["Id"], tuple(map(one_line, answer.get("Warnings") or ()))

    def _compare(
        self,
        container: str,
        spec: ContainerSpec,
        body: dict[str, Any],
        warnings: Sequence[str],
    ) -> None:
        made = self._api.ask_about(container)
        if lost := dropped(body, made, optional=spec.optional_limits):
            said = "; ".join(warnings) or "it gives no warning"
            what = f"apply {', '.join(lost)}, and would ignore them: {said}"
            raise unsupported(what)
        for warning in warnings:
            _log.info("docker: %s", warning)

    def _wait(self, container: str, timeout: float | None) -> int:
        # A container that has not started yet meets Docker's default condition. This condition is
        # registered when the head of the answer arrives. The state is read after that, so that no
        # exit is missed in between.
        until = {"condition": "next-exit"}
        with self._api.follow(
            container, "POST", "/wait", params=until, read_timeout=timeout
        ) as response:
            before = self.inspect(container)
            if before.exit_code is not None:
                return before.exit_code
            answer = b"".join(self._api.chunks(response))
        if before.status not in _RUNS and self.inspect(container).exit_code is None:
            raise no_such_container(container)  # removed before it ran; Docker reports code 0
        if not answer:
            raise self._api.failure(EOFError("the answer ended early"))
        return int(read_answer(answer)["StatusCode"])

    def _exit_code_by_now(self, container: str) -> int:
        code = self.inspect(container).exit_code
        if code is None:
            msg = f"the container {container} has not ended yet"
            raise TimeoutError(msg)
        return code

    def _info_answer(self) -> tuple[dict[str, Any], str]:
        """Return the answer to ``GET /info`` and the newest API version; the answer is kept."""
        with self._lock:
            if self._said is None:
                response = self._api.send("GET", "/info")
                self._said = (
                    read_answer(checked(response).content),
                    response.headers.get("Api-Version", ""),
                )
            return self._said

    def _peer_uid(self) -> int | None:
        path = self._route.socket_path
        try:
            return None if path is None else peer_uid(path)
        except OSError as exc:
            raise unavailable(exc, engine=ENGINE, url=self._url) from exc
