"""Make the request for a pull of a model's name and the keywords of `Ramalama.pull`."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.api.requests import reject_unknown, resolve
from ramalama.errors import StartCancelled
from ramalama.events import ignore
from ramalama.models.options import PullOptions
from ramalama.runtimes import find_runtime
from ramalama_values import frozen

if TYPE_CHECKING:
    import threading

    from ramalama.api.keywords import PullKeywords
    from ramalama.config.config import Config
    from ramalama.events import Event, EventHook
    from ramalama.models.library import Models
    from ramalama.models.reference.reference import ModelRef

_FIELDS = frozenset(field.name for field in fields(PullOptions))
_HOW = frozenset({"on_event", "cancel"})


@frozen()
class PullRequest:
    """A request for a pull."""

    reference: ModelRef
    options: PullOptions
    on_event: EventHook
    cancel: threading.Event | None

    def tell(self, event: Event) -> None:
        """Pass *event* to the hook.

        Raises:
            StartCancelled: the pull was cancelled.
        """
        if self.cancel is not None and self.cancel.is_set():
            msg = "the pull was cancelled"
            raise StartCancelled(msg)
        self.on_event(event)


def make_pull_request(
    models: Models,
    config: Config,
    model: str | Path | ModelRef,
    options: PullOptions | None,
    keywords: PullKeywords,
) -> PullRequest:
    """Make a request of *keywords*, and of the settings for what they do not say.

    Raises:
        InvalidReference: *model* is not a reference.
        TypeError: a keyword is unknown, or is in *options* already.
    """
    reject_unknown(keywords, _FIELDS | _HOW)
    given = {name: value for name, value in keywords.items() if name in _FIELDS}
    if options is not None and given:
        msg = f"{next(iter(given))!r} is a field of the PullOptions: give it there"
        raise TypeError(msg)
    return PullRequest(
        reference=resolve(models, model),
        options=options or _options(config, given),
        on_event=keywords.get("on_event", ignore),
        cancel=keywords.get("cancel"),
    )


def _options(config: Config, given: dict[str, object]) -> PullOptions:
    if isinstance(authfile := given.get("authfile"), str):
        given["authfile"] = Path(authfile)
    settings: dict[str, object] = {
        "wanted": find_runtime(config.runtime).format,
        "tls_verify": config.tls_verify,
    }
    return PullOptions(**(settings | given))  # type: ignore[arg-type]
