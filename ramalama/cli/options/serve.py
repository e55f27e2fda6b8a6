"""The options that describe a server, and how they become `ServeOptions`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.cli.invocation import GlobalArguments, add_group
from ramalama.config.option_spec import Group
from ramalama.config.option_table import SERVER_OPTIONS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    from ramalama.config.config import Config
    from ramalama.config.options import ServeOptions
    from ramalama.models.reference.reference import ModelRef
    from ramalama_engines.kinds import PullPolicy
    from ramalama_engines.spec import Device

NO_DRAFT = "none"
_DASHED = "--runtime-args"


class ServeArguments(GlobalArguments):
    """What the parser fills in, as far as it is asked by name; None where the settings decide.

    The other options of `SERVER_OPTIONS` are there, too.
    """

    device: list[Device | None]
    env: list[str]
    model: str
    model_draft: str | None
    network: str | None
    port: int | None
    pull: PullPolicy | None
    rag: str | None
    runtime_args: list[list[str]]


def add_serve_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the manual page's server and container."""
    for group in (Group.MODEL, Group.CONTAINER, Group.IMAGE):
        add_group(parser.add_argument_group(group), group)


def add_api_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of what stands before the server."""
    add_group(parser.add_argument_group(Group.API), Group.API)


def serve_options(
    arguments: ServeArguments,
    resolve: Callable[[str], ModelRef],
    config: Config,
    environ: Mapping[str, str],
    *,
    parallel: int | None,
) -> ServeOptions:
    """Fold the command line over the settings; *resolve* reads the names of models."""
    from ramalama.config.config import resolve_env  # noqa: PLC0415 (not for the help)
    from ramalama.config.options import ServeOptions  # noqa: PLC0415 (see above)

    draft = arguments.model_draft or config.model_draft
    keywords: dict[str, object] = {
        **config.server_settings(environ),
        **_given(arguments),
        "draft": resolve(draft) if draft and draft != NO_DRAFT else None,
        "parallel": parallel,
        "runtime_args": tuple(word for words in arguments.runtime_args for word in words),
        "env": resolve_env((*config.env, *arguments.env), environ),
        "devices": _devices(arguments.device),
    }
    return ServeOptions(model=resolve(arguments.model), **keywords)  # type: ignore[arg-type]


def _given(arguments: ServeArguments) -> dict[str, object]:
    """Return what the command line says, by field."""
    given = {
        spec.field: getattr(arguments, spec.destination, None)
        for spec in SERVER_OPTIONS
        if spec.flags
    }
    return {field: value for field, value in given.items() if value is not None}


def split_at_dashes(words: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Split at the first ``--``: what follows are no options, whatever they look like."""
    if "--" not in words:
        return words, ()
    position = list(words).index("--")
    return words[:position], words[position + 1 :]


def join_dashed(words: Sequence[str]) -> list[str]:
    """Join an option whose value begins with a dash by nature with it, as argparse wants it."""
    joined: list[str] = []
    for position, word in enumerate(words):
        if joined and joined[-1] == _DASHED:
            joined[-1] = f"{_DASHED}={word}"
        elif word == "--":
            return [*joined, *words[position:]]
        else:
            joined.append(word)
    return joined


def _devices(given: Sequence[Device | None]) -> tuple[Device, ...] | None:
    if None in given:
        return ()
    return tuple(device for device in given if device) or None
