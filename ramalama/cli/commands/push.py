"""`ramalama push`: upload a model to an OCI registry."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from ramalama.cli.dispatch import VERBS
from ramalama.cli.invocation import ensure_no_dryrun, invoke, parser, typed
from ramalama.cli.options.registry import RegistryArguments, add_registry_options
from ramalama.cli.output.push_progress import PushProgress
from ramalama.config.value_types import Word
from ramalama.models.options import PushKind, PushOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

_EPILOG = """\
examples:
  ramalama push ollama://smollm2:135m oci://quay.io/me/smollm2:135m
  ramalama push ./granite.gguf oci://localhost:5000/granite --tls-verify=false
  ramalama push --type artifact granite oci://ghcr.io/me/granite:3

kinds:
  raw       an image that contains only the model, for image volumes of Kubernetes and Podman
  car       the same, based on an image that can run
  artifact  the files themselves, in the format of CNCF ModelPack
"""


class PushArguments(RegistryArguments):
    """The parsed arguments of `ramalama push`."""

    carimage: str
    network: str | None
    source: str
    target: str | None
    type: PushKind


def execute(words: Sequence[str]) -> int:
    """Run `ramalama push` with the arguments *words*, and return the exit code."""
    arguments = make_parser().parse_args(words, PushArguments())
    shown = [arguments.source, *([arguments.target] if arguments.target else [])]
    if ensure_no_dryrun(arguments, ["push", "--type", arguments.type, *shown]):
        return 0
    invocation = invoke(arguments)
    models = invocation.models()
    source = invocation.resolve(models, arguments.source)
    target = invocation.resolve(models, arguments.target) if arguments.target else None
    options = PushOptions(
        kind=arguments.type,
        base=arguments.carimage,
        authfile=arguments.authfile,
        tls_verify=arguments.verifies(invocation.config),
    )
    progress = PushProgress(quiet=invocation.quiet)
    try:
        progress.begin()
        pushed = models.push(source, target, options, on_event=progress.follow)
    finally:
        progress.clear()
    sys.stdout.write(f"{pushed}\n")
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of `ramalama push`."""
    result = parser("push", VERBS["push"].summary, epilog=_EPILOG)
    result.add_argument("source", metavar="SOURCE", help="a pulled model, or a file")
    result.add_argument(
        "target",
        metavar="TARGET",
        nargs="?",
        help="oci://REGISTRY/NAME:TAG (default: SOURCE, if it is an oci:// reference)",
    )
    result.add_argument(
        "--type",
        type=typed(Word(PushKind).read),
        default=PushKind.RAW,
        metavar="{raw,car,artifact}",
        help="how to pack the model (default: raw)",
    )
    add_registry_options(result)
    result.add_argument("--carimage", default=PushOptions().base, help=argparse.SUPPRESS)
    # Accepted without effect: no container is started that could use a network.
    result.add_argument("--network", "--net", help=argparse.SUPPRESS)
    return result
