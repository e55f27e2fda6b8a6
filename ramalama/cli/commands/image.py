"""`ramalama image`: build, list and pull the images that model servers run in."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama._version import __version__
from ramalama.cli.dispatch import VERBS
from ramalama.cli.exit_codes import USAGE
from ramalama.cli.invocation import add_group, add_option, ensure_no_dryrun, invoke, parser, typed
from ramalama.cli.options.registry import RegistryArguments
from ramalama.cli.output.image_table import OURS, choose, write_json, write_table
from ramalama.cli.output.start_progress import StartProgress
from ramalama.cli.output.terminal import Status, print_error
from ramalama.config.option_spec import Group
from ramalama.config.option_table import OPTIONS
from ramalama.errors import OptionRefused, engine_errors
from ramalama.serving.images import ImageRequest, fetch_image, name_of_image, parse_image
from ramalama_accel.images import IMAGES, VLLM_BUILDS, tagged
from ramalama_accel.runtime_name import RuntimeName
from ramalama_accel.values import AcceleratorKind
from ramalama_engines import PullPolicy
from ramalama_values.text import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from ramalama.api.client import Ramalama

_CPU = "ramalama"
_FOR_VULKAN = (
    "libggml0-backend-vulkan mesa-vulkan-drivers"  # 370 MB, of use only on a host with Vulkan
)
_PROXIES = ("http_proxy", "https_proxy", "no_proxy")
_MAX_LINE = 120  # characters


class ImageArguments(RegistryArguments):
    """The parsed arguments of `ramalama image`."""

    action: str
    name: str | None
    base: str | None
    build_arg: list[str]
    runtime: RuntimeName | None
    format: str | None
    pull: PullPolicy | None


def execute(words: Sequence[str]) -> int:
    """Run `ramalama image` with the arguments *words*, and return the exit code."""
    arguments = make_parser().parse_intermixed_args(words, ImageArguments())
    if complaint := _misuse(arguments):
        print_error(f"Error: {complaint}")
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
                with engine_errors():
                    images = ramalama.connect().images()
                write = write_json if arguments.format == "json" else write_table
                write(choose(images, invocation.config, arguments.runtime))
    return 0


def recipes() -> Path:
    """Return the directory of the Containerfiles, in the installed package or the source tree."""
    package = Path(__file__).parents[2]
    installed = package / "_containerfiles"
    return installed if installed.is_dir() else package.parent / "containerfiles"


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of `ramalama image`."""
    result = parser("image", VERBS["image"].summary)
    result.add_argument("action", choices=("build", "ls", "pull"), help="what to do")
    result.add_argument(
        "name",
        metavar="NAME",
        nargs="?",
        help="build: one of RamaLama's images; pull: one of these, or any reference"
        " (default: the image that `run` would use)",
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
    add_option(
        result,
        OPTIONS["runtime"],
        words="build, pull: without a NAME, this server's image for this host; ls: only its images",
    )
    result.add_argument("--format", choices=("json",), help="ls: print a JSON array of objects")
    registries = result.add_argument_group("options of pull")
    add_option(registries, OPTIONS["pull_policy"], words="when to pull the image (default: always)")
    add_group(registries, Group.REGISTRY)
    return result


def _misuse(arguments: ImageArguments) -> str | None:
    """Return what is wrong with the combination of arguments; None if it is valid."""
    action, name = arguments.action, arguments.name
    registry = (arguments.pull, arguments.authfile, arguments.tls_verify)
    wrong = (
        (
            (arguments.base is not None or arguments.build_arg) and action != "build",
            "--base and --build-arg are only for `image build`",
        ),
        (
            any(value is not None for value in registry) and action != "pull",
            "--pull, --authfile and --tls-verify are only for `image pull`",
        ),
        (
            arguments.runtime is not None and name is not None,
            "--runtime and NAME both choose the image; give only one of them",
        ),
        (
            arguments.format is not None and action != "ls",
            "--format is only for `image ls`",
        ),
        (name is not None and action == "ls", "`image ls` takes no name"),
    )
    message = next((message for is_wrong, message in wrong if is_wrong), None)
    return message or (_unknown_recipe(arguments) if action == "build" else None)


def _unknown_recipe(arguments: ImageArguments) -> str | None:
    """Return why there is nothing to build; None if there is."""
    known, name = _buildable(), arguments.name
    if arguments.runtime is not None or name in known:
        return None
    names = ", ".join(known)
    if not name:
        return f"name the image to build: {names}"
    return f"there is no image {name!r} to build; the images are {names}"


def _shown(arguments: ImageArguments) -> list[str]:
    base = [] if arguments.base is None else ["--base", arguments.base]
    runtime = [] if arguments.runtime is None else ["--runtime", arguments.runtime]
    rest = [word for given in arguments.build_arg for word in ("--build-arg", given)]
    name = [arguments.name] if arguments.name else []
    return ["image", arguments.action, *base, *rest, *runtime, *name]


def _buildable() -> Sequence[str]:
    return sorted(file.parent.name for file in recipes().glob("*/Containerfile"))


def _reference(name: str) -> str:
    """Return the full reference, with the tag for this version, of RamaLama's image *name*.

    Any other *name* is returned as it is.
    """
    for repository in OURS:
        if repository.endswith(f"/{name}"):
            return tagged(repository, version=__version__)
    return name


def _build(ramalama: Ramalama, asked: ImageArguments, *, quiet: bool) -> None:
    name = asked.name or _recipe_for_this_host(ramalama, asked.runtime)
    tag = _reference(name)
    kind = ramalama.engine_accelerators().detection.accelerator.kind
    arguments = build_arguments(name, asked, kind, os.environ)
    engine = ramalama.connect()
    status = Status(quiet=quiet)
    # A terminal shows only the current step, a log file shows all of them.
    show = status.show if sys.stderr.isatty() else print_error
    with engine_errors():
        try:
            engine.build(
                recipes(),
                tag=tag,
                containerfile=f"{name}/Containerfile",
                build_args=arguments,
                on_progress=None if quiet else lambda line: show(line[:_MAX_LINE]),
            )
        finally:
            status.clear()
    sys.stdout.write(f"{tag}\n")


def build_arguments(
    name: str, asked: ImageArguments, kind: AcceleratorKind, environ: Mapping[str, str]
) -> Mapping[str, str]:
    """Return the ARGs for the Containerfile *name*, on a host whose accelerator is *kind*."""
    arguments = {proxy: environ[proxy] for proxy in _PROXIES if proxy in environ}
    if name == _CPU and kind is AcceleratorKind.VULKAN:
        arguments["BACKENDS"] = _FOR_VULKAN
    if asked.base is not None:
        arguments["BASE"] = asked.base
    return arguments | dict(given.split("=", 1) for given in asked.build_arg)


def _pull(ramalama: Ramalama, asked: ImageArguments, *, quiet: bool) -> None:
    image = _reference(asked.name) if asked.name else _image_of_this_host(ramalama, asked.runtime)
    parse_image(image)  # an invalid name is rejected before the engine is asked
    progress = StartProgress(quiet=quiet)
    try:
        with engine_errors():
            request = ImageRequest(
                name=image,
                pull_policy=asked.pull or PullPolicy.ALWAYS,
                authfile=asked.authfile,
                tls_verify=asked.verifies(ramalama.config),
            )
            fetch_image(ramalama.connect(), ramalama.user, request, on_event=progress.follow)
    finally:
        progress.clear()
    sys.stdout.write(printable(image) + "\n")


def _image_of_this_host(ramalama: Ramalama, runtime: RuntimeName | None) -> str:
    kind, config = ramalama.engine_accelerators().detection.accelerator.kind, ramalama.config
    return name_of_image(config, None, kind, runtime or config.runtime)


def _recipe_for_this_host(ramalama: Ramalama, runtime: RuntimeName | None) -> str:
    kind = ramalama.engine_accelerators().detection.accelerator.kind
    builds = VLLM_BUILDS if runtime is RuntimeName.VLLM else IMAGES
    if kind not in builds:
        known = ", ".join(_buildable())
        msg = f"there is no Containerfile of {runtime} for {kind}"
        raise OptionRefused(msg, hint=f"name one of the images {known}")
    return builds[kind].rpartition("/")[2]


def _build_arg(text: str) -> str:
    name, equals, _ = text.partition("=")
    if not (name.isidentifier() and equals):
        msg = "NAME=VALUE"
        raise ValueError(msg)
    return text
