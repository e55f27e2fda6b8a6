"""`ramalama push`: upload a model, or an index of documents, to an OCI registry."""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.cli.dispatch import VERBS
from ramalama.cli.invocation import ensure_no_dryrun, invoke, parser, typed
from ramalama.cli.options.registry import RegistryArguments, add_registry_options
from ramalama.cli.output.push_progress import PushProgress
from ramalama.errors import EngineFailure, RagError
from ramalama.models.options import PushKind, PushOptions
from ramalama.models.reference.scheme import Scheme
from ramalama.value_types import Word
from ramalama_engines.kinds import PullPolicy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ramalama.cli.invocation import Invocation
    from ramalama.events import UploadHook
    from ramalama.models.reference.reference import ModelRef
    from ramalama_engines import InvokingUser

_EPILOG = """\
examples:
  ramalama push ollama://smollm2:135m oci://quay.io/me/smollm2:135m
  ramalama push ./granite.gguf oci://localhost:5000/granite --tls-verify=false
  ramalama push --type artifact granite oci://ghcr.io/me/granite:3
  ramalama push project.db oci://quay.io/me/project-docs:1    an index of documents

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
        index = _find_index(invocation, arguments.source, source)
        if index is None:
            pushed = models.push(source, target, options, on_event=progress.follow)
        else:
            pushed = _push_index(index, target or source, options, invocation.user, progress.follow)
    finally:
        progress.clear()
    sys.stdout.write(f"{pushed}\n")
    return 0


def _find_index(invocation: Invocation, named: str, source: ModelRef) -> Path | None:
    """Return the index of documents that is named, in a file or in an image; None if it is none."""
    if source.scheme is Scheme.FILE:
        from ramalama.rag.index.guard import is_index  # noqa: PLC0415 (sqlite3 is slow to import)

        path = Path(source.location)
        return path if is_index(path) else None
    if invocation.models().find(source) is not None:
        return None
    name = str(source).removeprefix("oci://") if source.scheme is Scheme.OCI else named
    from ramalama.cli.signals import handled_signals  # noqa: PLC0415 (not for models)

    with suppress(EngineFailure, RagError), handled_signals(), invocation.ramalama() as ramalama:
        return ramalama.read_index(name, pull_policy=PullPolicy.NEVER)
    return None


def _push_index(
    path: Path, target: ModelRef, options: PushOptions, user: InvokingUser, on_event: UploadHook
) -> ModelRef:
    from ramalama.models.push import push_package  # noqa: PLC0415 (see `_find_index`)
    from ramalama.rag.images import pack_index  # noqa: PLC0415 (likewise)

    return push_package(pack_index(path), target, options, user=user, on_event=on_event)


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of `ramalama push`."""
    result = parser("push", VERBS["push"].summary, epilog=_EPILOG)
    result.add_argument("source", metavar="SOURCE", help="a pulled model, or a file; or an index")
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
