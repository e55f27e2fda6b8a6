"""Options that every inference server has, and whose value is used for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.config.defaults import DEFAULT_CONTEXT, DEFAULT_TEMPERATURE
from ramalama.runtimes.base import is_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ramalama.config.options import ServeOptions
    from ramalama.runtimes.base import MountedModel

_LARGEST_CONTEXT = 2**24  # tokens; no model has so large a context


def option(name: str, value: object | None) -> Iterator[str]:
    """Yield the words of an option; nothing for None, which keeps the server's default."""
    if value is not None:
        yield name
        yield str(value)


def context_size(options: ServeOptions, parameters: Mapping[str, object]) -> int:
    """Return the context size in tokens; 0 means the context of the model.

    It is the user's value, or else the author's, or else the default. *parameters* are the
    author's, see `MountedModel`.
    """
    if options.ctx_size is not None:
        return options.ctx_size
    wanted = parameters.get("num_ctx")
    if not isinstance(wanted, int) or isinstance(wanted, bool):
        return DEFAULT_CONTEXT
    return wanted if 0 < wanted <= _LARGEST_CONTEXT else DEFAULT_CONTEXT


def temperature(options: ServeOptions, model: MountedModel) -> float:
    """Return the temperature: the user's, or else the author's, or else the default."""
    if options.temp is not None:
        return float(options.temp)  # 0 is the same as 0.0, on command lines too
    wanted = model.parameters.get("temperature")
    return wanted if is_number(wanted) and wanted >= 0 else DEFAULT_TEMPERATURE
