"""`ramalama image`: build, list and pull the images that model servers run in."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama._version import __version__
from ramalama.cli.exit_codes import USAGE
from ramalama.cli.invocation import GlobalArguments, ensure_no_dryrun, invoke, parser, typed
from ramalama.cli.output import Status, complain, printable
from ramalama.cli.progress import StartProgress
from ramalama.cli.table import age, cell, short_id, table
from ramalama.cli.verbs import VERBS
from ramalama.engine_errors import engine_errors
from ramalama.errors import OptionRefused
from ramalama.images import ImageRequest, fetch_image, name_of_image, parse_image
from ramalama.readers import one_of
from ramalama_accel.images import IMAGES, VLLM_BUILDS, VLLM_IMAGES, tagged
from ramalama_accel.runtime_name import RuntimeName
from ramalama_engines import (
    ImageReference,
    PullPolicy,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ramalama.config import Config
    from ramalama.service import Ramalama
    from ramalama_engines.image_list import ImageSummary

_OF_RUNTIME = {
    RuntimeName.LLAMA_CPP: {*IMAGES.values()},
    RuntimeName.VLLM: {*VLLM_BUILDS.values(), *VLLM_IMAGES.values()},
}
_OURS = frozenset[str]().union(*_OF_RUNTIME.values())
_HEADING = ("IMAGE", "IMAGE ID", "CREATED", "SIZE")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy")
_WIDEST = 120
_UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


class ImageArguments(GlobalArguments):
    """What the parser fills in."""

    action: str
    name: str | None
    base: str | None
    build_arg: list[str]
    runtime: RuntimeName | None
    format: str | None


def execute(words: Sequence[str]) -> int:
    """Parse *words* and do it."""
    arguments = make_parser().parse_intermixed_args(words, ImageArguments())
    if complaint := _misuse(arguments):
        complain(f"Error: {complaint}")
        return USAGE
    if ensure_no_dryrun(arguments, _shown(arguments)):
        return 0
    invocation = invoke(arguments)
    with invocation.ramalama() as ramalama:
        match arguments.action:
            case "build":
                _build(ramalama, arguments, quiet=invocation.quiet)
            case "pull":
                _pull(ramalama, arguments, quiet=invocation.quiet)
            case _:
                _list(ramalama, arguments, invocation.config)
    return 0


def recipes() -> Path:
    """Return the folder of Containerfiles: in an installed package, or in the source tree."""
    package = Path(__file__).parents[1]
    installed = package / "_containerfiles"
    return installed if installed.is_dir() else package.parent / "containerfiles"


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the command's words."""
    result = parser("image", VERBS["image"].summary)
    result.add_argument("action", choices=("build", "ls", "pull"), help="what to do")
    result.add_argument(
        "name",
        metavar="NAME",
        nargs="?",
        help="build: which of RamaLama's images; pull: one of these, or any reference"
        " (default: the one that `run` would use)",
    )
    result.add_argument(
        "--base", metavar="IMAGE", help="build: start from this image instead of the usual one"
    )
    result.add_argument(
        "--build-arg",
        type=typed(_build_arg),
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="build: set an ARG of the Containerfile; may be repeated",
    )
    result.add_argument(
        "--runtime",
        type=typed(one_of(RuntimeName)),
        metavar="{llama.cpp,vllm}",
        help="build, pull: without a NAME, this server's image for this host; ls: its images alone",
    )
    result.add_argument("--format", choices=("json",), help="ls: print an array of objects")
    return result


def _misuse(arguments: ImageArguments) -> str | None:
    """Say what does not go together."""
    action, name = arguments.action, arguments.name
    if (arguments.base is not None or arguments.build_arg) and action != "build":
        return "--base and --build-arg are for `image build`"
    if arguments.runtime is not None and name is not None:
        return "--runtime chooses an image; leave it out, or the name"
    if arguments.format is not None and action != "ls":
        return "--format is for `image ls`"
    if name is not None and action == "ls":
        return "`image ls` takes no name"
    if action == "build" and arguments.runtime is None and name not in _buildable():
        known = ", ".join(_buildable())
        return (
            f"there is no image {name!r} to build; there are {known}"
            if name
            else (f"name the image to build: {known}")
        )
    return None


def _shown(arguments: ImageArguments) -> list[str]:
    base = [] if arguments.base is None else ["--base", arguments.base]
    runtime = [] if arguments.runtime is None else ["--runtime", arguments.runtime]
    rest = [word for given in arguments.build_arg for word in ("--build-arg", given)]
    name = [arguments.name] if arguments.name else []
    return ["image", arguments.action, *base, *rest, *runtime, *name]


def _buildable() -> Sequence[str]:
    return sorted(file.parent.name for file in recipes().glob("*/Containerfile"))


def _reference(name: str) -> str:
    """Write the whole reference of one of our images, in the generation that we drive."""
    for repository in _OURS:
        if repository.endswith(f"/{name}"):
            return tagged(repository, version=__version__)
    return name


def _build(ramalama: Ramalama, asked: ImageArguments, *, quiet: bool) -> None:
    name = asked.name or _recipe_for_this_host(ramalama, asked.runtime)
    tag = _reference(name)
    arguments = {proxy: os.environ[proxy] for proxy in _PROXIES if proxy in os.environ}
    arguments |= dict(given.split("=", 1) for given in asked.build_arg)
    if asked.base is not None:
        arguments["BASE"] = asked.base
    engine = ramalama.connect()
    status = Status(quiet=quiet)
    # A terminal shows the step under way, a log file all of them.
    show = status.show if sys.stderr.isatty() else complain
    with engine_errors():
        try:
            engine.build(
                recipes(),
                tag=tag,
                containerfile=f"{name}/Containerfile",
                build_args=arguments,
                on_progress=None if quiet else lambda line: show(line[:_WIDEST]),
            )
        finally:
            status.clear()
    sys.stdout.write(f"{tag}\n")


def _pull(ramalama: Ramalama, asked: ImageArguments, *, quiet: bool) -> None:
    image = _reference(asked.name) if asked.name else _image_of_this_host(ramalama, asked.runtime)
    parse_image(image)  # a name that is none needs no engine to be refused
    progress = StartProgress(quiet=quiet)
    try:
        with engine_errors():
            request = ImageRequest(name=image, pull_policy=PullPolicy.ALWAYS)
            fetch_image(ramalama.connect(), ramalama.user, request, on_event=progress.follow)
    finally:
        progress.clear()
    sys.stdout.write(printable(image) + "\n")


def _image_of_this_host(ramalama: Ramalama, runtime: RuntimeName | None) -> str:
    kind, config = ramalama.detect().accelerator.kind, ramalama.config
    return name_of_image(config, None, kind, runtime or config.runtime)


def _recipe_for_this_host(ramalama: Ramalama, runtime: RuntimeName | None) -> str:
    kind = ramalama.detect().accelerator.kind
    builds = VLLM_BUILDS if runtime is RuntimeName.VLLM else IMAGES
    if kind not in builds:
        known = ", ".join(_buildable())
        msg = f"there is no recipe for an image of {runtime} for {kind}; name one of {known}"
        raise OptionRefused(msg)
    return builds[kind].rpartition("/")[2]


def _build_arg(text: str) -> str:
    name, equals, _ = text.partition("=")
    if not (name.isidentifier() and equals):
        msg = "NAME=VALUE"
        raise ValueError(msg)
    return text


def _list(ramalama: Ramalama, asked: ImageArguments, config: Config) -> None:
    with engine_errors():
        images = ramalama.connect().images()
    ours = _OF_RUNTIME[asked.runtime] if asked.runtime else _repositories(config)
    found = sorted(
        ((name, image) for image in images for name in image.names if _repository(name) in ours),
        key=lambda pair: pair[0],
    )
    if asked.format == "json":
        json.dump([_record(name, image) for name, image in found], sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        sys.stdout.write(table([_HEADING, *(_row(name, image) for name, image in found)]))


def _repositories(config: Config) -> set[str | None]:
    named = (config.image, *config.images.values())
    return {*_OURS, *(_repository(name) for name in named if name)} - {None}


def _repository(name: str) -> str | None:
    """Name the repository in full; None for what is no reference."""
    try:
        return ImageReference.parse(name).repository
    except ValueError:
        return None


def _record(name: str, image: ImageSummary) -> dict[str, object]:
    return {
        "name": name,
        "id": image.id.removeprefix("sha256:"),
        "created": image.created.isoformat() if image.created else None,
        "size": image.size,
    }


def _row(name: str, image: ImageSummary) -> tuple[str, ...]:
    return cell(name), short_id(image.id), age(image.created), _size(image.size)


def _size(size: int) -> str:
    unit, name = next(((unit, name) for unit, name in _UNITS if size >= unit), (1, "B"))
    return f"{size / unit:.3g} {name}"
