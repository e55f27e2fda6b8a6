"""What every server is asked for in the same way: options, and whose word counts for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.config.defaults import DEFAULT_CONTEXT, DEFAULT_TEMPERATURE
from ramalama.runtimes.base import is_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ramalama.config.options import ServeOptions
    from ramalama.runtimes.base import MountedModel

_LARGEST_CONTEXT = 2**24  # tokens; no model has been made for as many


def option(name: str, value: object | None) -> Iterator[str]:
    """Yield the words of an option; none for None, which leaves it to the server."""
    if value is not None:
        yield name
        yield str(value)


def context_size(options: ServeOptions, parameters: Mapping[str, object]) -> int:
    """Return the tokens of context: the user's, the author's, or ours; 0 is the model's own.

    *parameters* are the author's, see `MountedModel`.
    """
    if options.ctx_size is not None:
        return options.ctx_size
    wanted = parameters.get("num_ctx")
    if not isinstance(wanted, int) or isinstance(wanted, bool):
        return DEFAULT_CONTEXT
    return wanted if 0 < wanted <= _LARGEST_CONTEXT else DEFAULT_CONTEXT


def temperature(options: ServeOptions, model: MountedModel) -> float:
    """Return the temperature: the user's, the author's, or ours."""
    if options.temp is not None:
        return float(options.temp)  # 0 is the same as 0.0, on command lines too
    wanted = model.parameters.get("temperature")
    return wanted if is_number(wanted) and wanted >= 0 else DEFAULT_TEMPERATURE
