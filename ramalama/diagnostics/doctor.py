"""Find out why the GPU is not used: compare what was detected with what a container really gets."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama._version import __version__
from ramalama.config.api_name import ApiName
from ramalama.diagnostics.compare import Problem, compare
from ramalama.diagnostics.inspect_container import look
from ramalama.errors import engine_errors
from ramalama.models.store.stored_model import StoredModel
from ramalama.planning.labels import MODEL_LABEL
from ramalama.serving.images import ImageRequest, fetch_image, name_of_image
from ramalama.serving.run_dir import new_server_dir
from ramalama.system.process_identity import ProcessIdentity
from ramalama_accel.cdi.specs import read_inventory
from ramalama_accel.host import DeviceUser, Host
from ramalama_accel.images import default_image
from ramalama_accel.unused_gpus import passed_over
from ramalama_accel.values import AcceleratorKind
from ramalama_engines.errors import EngineError, EngineUnavailable
from ramalama_engines.kinds import PullPolicy
from ramalama_engines.spec import CdiDevice, HostDevice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ramalama.api.client import Ramalama
    from ramalama.config.options import ServeOptions
    from ramalama.diagnostics.inspect_container import ContainerView
    from ramalama.events import EventHook
    from ramalama_accel.values import Accelerator, Detection
    from ramalama_engines.spec import ContainerSpec


_UNKNOWN = "the accelerators of {} are not known"
_PULL = "repeat the command with --pull=missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What was detected, what `run` would ask the engine for, and what a container really got.

    Attributes:
        host: the engine's host, for messages.
        detection: the accelerators that were detected on the host.
        container: the container that `run` would ask the engine for.
        inspected_image: the image of the containers that were started. It differs from the image of
            *container* if that one is not local; None if there was no local image.
        view: what a process in the container found; None if no container could be started.
        problems: the differences that were found.
    """

    host: str
    detection: Detection
    container: ContainerSpec
    inspected_image: str | None
    view: ContainerView | None = None
    problems: tuple[Problem, ...] = ()


def examine(ramalama: Ramalama, options: ServeOptions, *, on_event: EventHook) -> Diagnosis:
    """Start containers like those of a server with *options*, and report what they really get.

    The model in *options* is not opened and need not exist. An image is pulled only if the
    `pull_policy` in *options* is not NEVER. If the accelerator's image is not local, the CPU image
    is used instead.

    Raises:
        OptionRefused, EngineFailure: as in `Ramalama.start`, for the steps up to the image.
    """
    _look_around(ramalama, options, on_event)
    found = ramalama.engine_accelerators()
    accelerator = ramalama.accelerator(options)
    detection = ramalama.detect_for(options)
    spec = _container(ramalama, options)
    image = _find_image(ramalama, options, spec.image, on_event)
    view: ContainerView | None = None
    problems: tuple[Problem, ...]
    if image is None:
        message = f"the image {spec.image} is not local, so no container can be inspected"
        problems = (Problem(message=message, remedy=_PULL),)
    else:
        view, problems = _inspect(ramalama, replace(spec, image=image), accelerator)
    unused = passed_over(detection, ramalama.user.env)
    unknown = (Problem(message=f"{_UNKNOWN.format(found.host)}: {found.unknown}", remedy=_PULL),)
    return Diagnosis(
        detection=detection,
        container=spec,
        inspected_image=image,
        view=view,
        host=found.host,
        problems=(
            *(unknown if found.unknown else ()),
            *(Problem(message=each.message, remedy=each.remedy) for each in unused),
            *problems,
        ),
    )


def _find_image(
    ramalama: Ramalama, options: ServeOptions, preferred: str, on_event: EventHook
) -> str | None:
    with engine_errors():
        if options.pull_policy is not PullPolicy.NEVER:
            request = ImageRequest.of(preferred, options)
            fetch_image(ramalama.connect(), ramalama.user, request, on_event=on_event)
            return preferred
        names = (preferred, default_image(AcceleratorKind.CPU, version=__version__))
        return next((name for name in names if ramalama.connect().image(name)), None)


def _look_around(ramalama: Ramalama, options: ServeOptions, on_event: EventHook) -> None:
    """Look for the accelerators of an engine's host that is not this one."""
    if ramalama.engine_host() is None:
        return
    kind, config = AcceleratorKind.CPU, ramalama.config
    name = name_of_image(config, options.image, kind, options.runtime)
    image = _find_image(ramalama, options, name, on_event)
    if image is not None:
        ramalama.look_at_engine(image)


def _container(ramalama: Ramalama, options: ServeOptions) -> ContainerSpec:
    """Return the container of a server for *options*; its model is a path that does not exist."""
    no_model = StoredModel(reference=options.model, weights=(Path("/nothing.gguf"),))
    alone = replace(options, api=ApiName.NONE)
    spec = ramalama.plan(alone, model=no_model).container
    return replace(spec, labels={**spec.labels, MODEL_LABEL: ""})


def _inspect(
    ramalama: Ramalama, spec: ContainerSpec, accelerator: Accelerator
) -> tuple[ContainerView | None, tuple[Problem, ...]]:
    engine, host = ramalama.connect(), ramalama.engine_host()
    directory = new_server_dir(ramalama.run_dir, ProcessIdentity.of_this_process())
    with engine_errors():
        try:
            view = look(engine, spec, directory, mounts=accelerator.library_paths)
        except EngineUnavailable:
            raise
        except EngineError as exc:
            return None, (Problem(message=str(exc)), *_bad_specifications(spec, host or Host()))
    # What was tried on another host is in the modes of its nodes.
    has_lists = engine.rootless and host is None
    granted = _granted_by_list(spec) if has_lists else frozenset[str]()
    return view, compare(spec, accelerator, view, rootless=engine.rootless, granted=granted)


def _bad_specifications(spec: ContainerSpec, host: Host) -> Iterator[Problem]:
    """Yield the invalid CDI specifications: an engine ignores them without an error."""
    if any(isinstance(device, CdiDevice) for device in spec.devices):
        for text in read_inventory(host).problems:
            yield Problem(
                message=text, remedy="generate it again with the vendor's tool, or remove it"
            )


def _granted_by_list(spec: ContainerSpec) -> frozenset[str]:
    """Return the device nodes that an access control list lets this user open; see acl(5).

    Such a permission also holds in a rootless container. A permission of one of the user's groups
    does not, because a rootless container does not keep these groups.
    """
    host = Host()
    user = DeviceUser(uid=os.getuid(), gids=frozenset((os.getgid(), *os.getgroups())))
    sources = [device.source for device in spec.devices if isinstance(device, HostDevice)]
    return frozenset(
        path
        for path in sources
        if (node := host.node(path)) and host.may_use(path) and not user.may_use(node)
    )
