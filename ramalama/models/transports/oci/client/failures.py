"""Explain a registry's refusals and connection errors in one line."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx2

from ramalama.errors import AccessDenied, ModelError
from ramalama.models.http.failures import AnswerTooLong, advise
from ramalama.models.transports.json_fields import text
from ramalama.models.transports.oci.client.tokens import TokenError, TokenRefused
from ramalama.models.transports.oci.manifests.strict_json import parse_object
from ramalama_values.json import is_array
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Generator

    from ramalama.models.http.client import HttpAnswer
    from ramalama.models.transports.oci.client.credentials import FoundCredentials


@contextmanager
def translated(domain: str, found: FoundCredentials, error: type[ModelError]) -> Generator[None]:
    """Turn an error of a request to *domain* with the credentials *found* into *error*.

    Raises:
        AccessDenied: the registry's token service refuses access.
    """
    try:
        yield
    except TokenRefused as exc:
        raise _not_known(domain, found, f" ({exc})") from exc
    except TokenError as exc:
        msg = f"{domain} requires a token: {exc}"
        raise error(msg) from exc
    except AnswerTooLong as exc:
        msg = f"{domain} sends too much: {exc}"
        raise error(msg) from exc
    except (httpx2.HTTPError, httpx2.InvalidURL) as exc:
        message, hint = _broken(domain, exc)
        raise error(message, hint=hint) from exc


def refusal(
    answer: HttpAnswer, domain: str, found: FoundCredentials, error: type[ModelError]
) -> ModelError:
    """Return the error for *answer*, which has an error status."""
    detail = _detail(answer)
    match answer.status:
        case 401:
            return _not_known(domain, found, detail)
        case 403:
            return AccessDenied(f"{domain} denies this to {_who(found)}{detail}")
        case 429:
            wait = answer.headers.get("retry-after", "")
            pause = f"in {wait} seconds" if wait.isdecimal() else "later"
            msg = f"{domain} has had too many requests{detail}"
            return error(msg, hint=f"try again {pause}")
        case status:
            return error(f"{domain} answered {status}{detail}")


def _not_known(domain: str, found: FoundCredentials, detail: str) -> AccessDenied:
    said = "requires a password" if found.credentials is None else f"does not accept {_who(found)}"
    remedy = "; ".join((*found.notices, f"log in with `ramalama login {domain}`"))
    return AccessDenied(f"{domain} {said}{detail}", hint=remedy)


def _who(found: FoundCredentials) -> str:
    match found.credentials:
        case None:
            return "anonymous users"
        case credentials:
            who = repr(credentials.username) if credentials.username else "your token"
            return f"{who} (from {credentials.source})" if credentials.source else who


def _broken(domain: str, exc: httpx2.HTTPError | httpx2.InvalidURL) -> tuple[str, str | None]:
    """Return what failed, and what may help."""
    match _origin(exc):
        case ssl.SSLCertVerificationError() as cause:
            return f"the certificate of {domain} is not trusted ({cause.verify_message})", (
                f"install its authority as /etc/containers/certs.d/{domain}/ca.crt, or use "
                "--tls-verify=false"
            )
        case ssl.SSLError():
            return f"{domain} does not use TLS", "to use it anyway, use --tls-verify=false"
        case _:
            return f"{domain} cannot be used: {advise(exc)}", None


def _origin(exc: BaseException) -> BaseException:
    while (cause := exc.__cause__ or exc.__context__) is not None:
        exc = cause
    return exc


def _detail(answer: HttpAnswer) -> str:
    """Return the registry's message, in parentheses; OCI distribution spec, "Error Codes"."""
    try:
        errors = parse_object(answer.body).get("errors")
    except ValueError:
        return ""
    first = errors[0] if is_array(errors) and errors else None
    message = text(first, "message") or text(first, "code")
    return f" ({one_line(message)})" if message else ""
