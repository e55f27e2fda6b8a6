"""`ramalama push`: send a model to an OCI registry."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from ramalama.cli.invocation import ensure_no_dryrun, invoke, parser, typed
from ramalama.cli.push_progress import PushProgress
from ramalama.cli.registry_options import RegistryArguments, add_registry_options, open_access
from ramalama.cli.verbs import VERBS
from ramalama.errors import InvalidReference
from ramalama.model_files import find_files, model_name
from ramalama.pushing import Push, Pusher
from ramalama.readers import one_of
from ramalama.reference import Scheme
from ramalama.transports.oci.transport import image_reference
from ramalama.transports.oci.write import PushKind
from ramalama_engines import ImageReference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ramalama.models import Models

_CAR_IMAGE = "registry.access.redhat.com/ubi10-micro:latest"
_EPILOG = """\
examples:
  ramalama push ollama://smollm2:135m oci://quay.io/me/smollm2:135m
  ramalama push ./granite.gguf oci://localhost:5000/granite --tls-verify=false
  ramalama push --type artifact granite oci://ghcr.io/me/granite:3

kinds:
  raw       an image with nothing but the model, for Kubernetes' and podman's image volumes
  car       the same on an image that can be run
  artifact  the files as they are, as CNCF ModelPack describes
"""


class PushArguments(RegistryArguments):
    """What the parser fills in."""

    carimage: str
    network: str | None
    source: str
    target: str | None
    type: PushKind


def execute(words: Sequence[str]) -> int:
    """Parse *words* and do it."""
    arguments = _parser().parse_args(words, PushArguments())
    shown = [arguments.source, *([arguments.target] if arguments.target else [])]
    if ensure_no_dryrun(arguments, ["push", "--type", arguments.type, *shown]):
        return 0
    invocation = invoke(arguments)
    models = invocation.models()
    progress = PushProgress(quiet=invocation.quiet)
    with models.store.using(), open_access(arguments, invocation) as access:
        try:
            progress.begin()
            push = _push(arguments, models)
            digest = Pusher(access, on_event=progress.follow).push(push)
        finally:
            progress.clear()
    sys.stdout.write(f"oci://{push.target.repository}@{digest}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    result = parser("push", VERBS["push"].summary, epilog=_EPILOG)
    result.add_argument("source", metavar="SOURCE", help="a model that was pulled, or a file")
    result.add_argument(
        "target",
        metavar="TARGET",
        nargs="?",
        help="oci://REGISTRY/NAME:TAG (default: SOURCE, if it is such a reference)",
    )
    result.add_argument(
        "--type",
        type=typed(one_of(PushKind)),
        default=PushKind.RAW,
        metavar="{raw,car,artifact}",
        help="how the model is packed (default: raw)",
    )
    add_registry_options(result)
    result.add_argument("--carimage", default=_CAR_IMAGE, help=argparse.SUPPRESS)
    # Nothing is built in a container, so that there is none to have a network.
    result.add_argument("--network", "--net", help=argparse.SUPPRESS)
    return result


def _push(arguments: PushArguments, models: Models) -> Push:
    source = models.resolve(arguments.source)
    target = models.resolve(arguments.target) if arguments.target else source
    if target.scheme is not Scheme.OCI:
        msg = f"{target} is in no OCI registry, which models are pushed to: oci://HOST/NAME:TAG"
        raise InvalidReference(msg)
    is_car = arguments.type is PushKind.CAR
    return Push(
        name=model_name(source),
        files=find_files(source, models.store),
        target=image_reference(target),
        kind=arguments.type,
        base=_base(arguments.carimage) if is_car else None,
        source=image_reference(source) if source.scheme is Scheme.OCI else None,
    )


def _base(text: str) -> ImageReference:
    try:
        return ImageReference.parse(text)
    except ValueError as exc:
        raise InvalidReference(str(exc)) from exc
