"""`ramalama pull`: download a model."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from ramalama.cli.dispatch import VERBS
from ramalama.cli.invocation import ensure_no_dryrun, invoke, parser
from ramalama.cli.options.registry import RegistryArguments, add_registry_options
from ramalama.cli.output.start_progress import StartProgress
from ramalama.cli.signals import handled_signals
from ramalama.errors import ModelUnsupported
from ramalama.events import Notice
from ramalama.models.options import PullOptions
from ramalama.runtimes import find_runtime
from ramalama_values.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ramalama.models.store.stored_model import StoredModel

_EPILOG = """\
examples:
  ramalama pull smollm2:135m                                  from Ollama's registry
  ramalama pull hf://bartowski/SmolLM2-135M-Instruct-GGUF:Q4_K_M
  ramalama pull oci://quay.io/me/granite:3
  ramalama pull https://example.com/models/granite.gguf

An interrupted pull continues where it stopped. Files that another program already has (Ollama, LM
Studio, Hugging Face's cache) are shared with it and not downloaded again.
"""


class PullArguments(RegistryArguments):
    """The parsed arguments of `ramalama pull`."""

    model: str


def execute(words: Sequence[str]) -> int:
    """Run `ramalama pull` with the arguments *words*, and return the exit code."""
    arguments = make_parser().parse_args(words, PullArguments())
    if ensure_no_dryrun(arguments, ["pull", arguments.model]):
        return 0
    invocation = invoke(arguments)
    models = invocation.models()
    reference = invocation.resolve(models, arguments.model)
    verify = arguments.verifies(invocation.config)
    runtime = find_runtime(invocation.config.runtime)
    options = PullOptions(wanted=runtime.format, authfile=arguments.authfile, tls_verify=verify)
    progress = StartProgress(quiet=invocation.quiet)

    def warn(model: StoredModel) -> None:
        try:
            runtime.check(model)
        except ModelUnsupported as exc:  # another runtime may support the model
            progress.follow(Notice(str(exc)))

    with (
        handled_signals()
    ):  # after each of them, the partial download is kept and the progress line removed
        try:
            models.pull(reference, options, check=warn, on_event=progress.follow)
        finally:
            progress.clear()
    sys.stdout.write(printable(str(reference)) + "\n")
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of `ramalama pull`."""
    result = parser("pull", VERBS["pull"].summary, epilog=_EPILOG)
    result.add_argument("model", metavar="MODEL", help="reference or short name of a model")
    add_registry_options(result)
    # Accepted for scripts that use upstream's option; the byte order is always checked.
    result.add_argument("--verify", help=argparse.SUPPRESS)
    return result
