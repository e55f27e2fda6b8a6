"""Make the request for a server of a model's name and the keywords of `ramalama.serve`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ramalama.config.options import ServeOptions
from ramalama.serving.request import StartRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ramalama.api.keywords import ServeKeywords, StartKeywords
    from ramalama.models.library import Models
    from ramalama.models.reference.reference import ModelRef

_START = frozenset(field.name for field in fields(StartRequest)) - {"options"}
_SERVER = frozenset(field.name for field in fields(ServeOptions)) - {"model"}


def make_request(
    models: Models,
    settings: Mapping[str, object],
    model: str | Path | ModelRef | ServeOptions,
    keywords: ServeKeywords,
) -> StartRequest:
    """Make a request of *keywords*, and of *settings* for what they do not say.

    Raises:
        InvalidReference: *model* is not a reference.
        OptionRefused: a value is invalid.
        TypeError: a keyword is unknown, or *model* is a `ServeOptions` that has its value already.
    """
    reject_unknown(keywords, _START | _SERVER)
    start = {name: value for name, value in keywords.items() if name in _START}
    given = {name: value for name, value in keywords.items() if name not in _START}
    if isinstance(model, ServeOptions):
        if given:
            msg = f"{next(iter(given))!r} is a field of the ServeOptions: give it there"
            raise TypeError(msg)
        options = model
    else:
        reference = resolve(models, model)
        values = _over_settings(models, settings, given)
        options = ServeOptions(model=reference, **values)  # type: ignore[arg-type]
    return StartRequest(options=options, **cast("StartKeywords", start))


def resolve(models: Models, model: str | Path | ModelRef) -> ModelRef:
    """Return the reference that *model* stands for."""
    if isinstance(model, Path):
        # Absolute, because a relative path such as "granite" would be the name of an Ollama model.
        model = str(model.absolute())
    return models.resolve(model) if isinstance(model, str) else model


def _over_settings(
    models: Models, settings: Mapping[str, object], given: Mapping[str, object]
) -> dict[str, object]:
    """Return what is *given*, and *settings* for all others, with values for what names them."""
    values = {**settings, **given}
    if isinstance(draft := values.get("draft"), str | Path) and draft:
        values["draft"] = resolve(models, draft)
    if isinstance(authfile := values.get("authfile"), str):
        values["authfile"] = Path(authfile)
    if isinstance(variables := given.get("env"), Mapping):
        values["env"] = {
            **cast("Mapping[str, str]", settings["env"]),
            **cast("Mapping[str, str]", variables),
        }
    return values


def reject_unknown(keywords: Iterable[str], known: Iterable[str]) -> None:
    """Raise TypeError for an unknown keyword, and name the most similar known one."""
    if unknown := sorted({*keywords} - {*known}):
        import difflib  # noqa: PLC0415 (only after a typing error)

        similar = difflib.get_close_matches(unknown[0], known, n=1)
        hint = (
            f"; did you mean {similar[0]!r}?"
            if similar
            else "; see ServeOptions and Ramalama.start"
        )
        msg = f"there is no option {unknown[0]!r}{hint}"
        raise TypeError(msg)
