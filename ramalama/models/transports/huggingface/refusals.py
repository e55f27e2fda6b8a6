"""Explain why Hugging Face refuses a request.

======= ================ ==============================================================
status  X-Error-Code     means
======= ================ ==============================================================
401     RepoNotFound     no such repository, or a private one; the hub does not say which
404     RevisionNotFound no such branch, tag or commit
404     EntryNotFound    no such file at that commit
401     none             the token is not valid (any longer)
429     none             too many requests; RateLimit tells until when
======= ================ ==============================================================

Source: huggingface_hub, utils/_http.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.errors import AccessDenied, ModelPullError, UnknownModel
from ramalama.models.http.failures import LONGEST_DETAIL, asked_pause
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from ramalama.errors import ModelError
    from ramalama.models.http.client import HttpAnswer
    from ramalama.models.transports.hub import Token

_WEB_SITE = "https://huggingface.co"  # where licences are accepted, whichever mirror serves


def refusal(answer: HttpAnswer, *, repository: str, token: Token | None, host: str) -> ModelError:
    """Return the error for an *answer* that is not 2xx; *repository* is ``org/repo``."""
    reference = f"hf://{repository}"
    kind: type[ModelError]
    hint = None
    match answer.headers.get("x-error-code"), answer.status:
        case "GatedRepo", _:
            kind, message = AccessDenied, _gated(repository, token)
        case "RepoNotFound", _:
            kind, message = UnknownModel, _unknown(reference, token, host)
        case "RevisionNotFound", _:
            kind, message = UnknownModel, f"{reference} has no branch, tag or commit of that name"
        case _, 401 | 403:
            kind, message = AccessDenied, f"{host} refuses {reference}: {_message(answer)}"
            hint = f"the token is from {token.source}" if token else "set HF_TOKEN"
        case _, 404:
            kind, message = UnknownModel, f"{host} has no {reference}: {_message(answer)}"
        case _, 429:
            kind, message = ModelPullError, _too_many(answer, host)
            hint = None if token else "with a token in HF_TOKEN the limit may be higher"
        case _:
            kind, message = ModelPullError, f"{host} failed for {reference}: {_message(answer)}"
    return kind(message, hint=hint)


def _gated(repository: str, token: Token | None) -> str:
    then = (
        f"with the account whose token is in {token.source}"
        if token
        else "then log in with `hf auth login`, or set HF_TOKEN"
    )
    page = f"{_WEB_SITE}/{repository}"
    return f"hf://{repository} requires you to accept its licence: do so on {page}, {then}"


def _unknown(reference: str, token: Token | None, host: str) -> str:
    if token:
        rest = f"or the token in {token.source} has no access to it"
    else:
        rest = "or is private: log in with `hf auth login`, or set HF_TOKEN"
    return f"{reference} does not exist at {host}, {rest}"


def _too_many(answer: HttpAnswer, host: str) -> str:
    wait = asked_pause(answer.headers)
    when = "later" if wait is None else f"in {wait:.0f} seconds"
    return f"{host} has had too many requests, try again {when}"


def _message(answer: HttpAnswer) -> str:
    said = answer.headers.get("x-error-message", "")
    return one_line(said, longest=LONGEST_DETAIL) or f"status {answer.status}"
