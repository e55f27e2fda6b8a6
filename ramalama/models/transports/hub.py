"""Send small requests to a hub of models, and check its answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

import httpx2

from ramalama.errors import AccessDenied, ModelPullError, UnknownModel
from ramalama.models.http.client import ask
from ramalama.models.http.failures import (
    DEFAULT_RETRY_POLICY,
    AnswerTooLong,
    RetryPolicy,
    refuse_downgrade,
    server_of,
    translated,
)
from ramalama.models.reference.names import HubName
from ramalama.models.transports.selection.listing import ListedFile
from ramalama_values.json import parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ramalama.models.http.client import HttpAnswer
    from ramalama.models.reference.reference import ModelRef

LARGEST_ANSWER = 8 * 1024 * 1024  # bytes; a page of a listing has about one million
_SHORT_TIMEOUT = 3.0  # seconds
LARGEST_READ = 32 * 1024 * 1024  # bytes; indexes and tokenizers


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A user's token for a hub; *source* is where it is kept, for messages."""

    value: str = field(repr=False)
    source: str

    def __post_init__(self) -> None:
        """Reject a token that cannot be sent in a header, since a library's error would show it.

        Raises:
            AccessDenied: it contains characters that tokens do not have.
        """
        if not (self.value.isascii() and self.value.isprintable()) or " " in self.value:
            msg = f"{self.source} does not hold a valid token; copy it again"
            raise AccessDenied(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """A hub, as one user accesses it.

    Attributes:
        endpoint: its address, without "/" at the end.
        secrets: headers that identify the user, only for this host.
    """

    endpoint: str
    client: httpx2.Client = field(repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    retry_policy: RetryPolicy = field(default=DEFAULT_RETRY_POLICY, repr=False)

    @property
    def host(self) -> str:
        """Its name and port, for messages."""
        return server_of(self.endpoint)

    def ask(self, path: str, *, limit: int = LARGEST_ANSWER) -> HttpAnswer:
        """Return the answer at *path*, of at most *limit* bytes, even if it is an error status.

        Raises:
            ModelPullError: there was no answer.
        """
        url = self.endpoint + path
        with translated(url):
            answer = ask(
                self.client, url, headers=self.secrets, limit=limit, retry_policy=self.retry_policy
            )
        refuse_downgrade(url, answer.url)
        return answer

    def ask_in_passing(self, path: str) -> object:
        """Return the JSON at *path*; None if it does not come at once, or is not valid.

        It is for optional information, which is not worth a wait or an error.
        """
        once = RetryPolicy(tries=1)
        url = self.endpoint + path
        try:
            answer = ask(
                self.client, url, headers=self.secrets, retry_policy=once, silence=_SHORT_TIMEOUT
            )
            return parse_json(answer.body) if answer.ok else None
        except (httpx2.HTTPError, AnswerTooLong, ValueError):
            return None

    def read_json(self, answer: HttpAnswer) -> object:
        """Return the JSON of *answer*.

        Raises:
            ModelPullError: it is not JSON.
        """
        try:
            return parse_json(answer.body)
        except ValueError:
            self.reject("is not JSON; is that the address of a hub?")

    def listed(
        self, *, path: object, size: object, sha256: object, oid: object = None
    ) -> ListedFile | None:
        """Parse an entry of a listing, see `ListedFile.parse`.

        Raises:
            ModelPullError: the entry is not valid.
        """
        try:
            return ListedFile.parse(path=path, size=size, sha256=sha256, oid=oid)
        except ValueError as exc:
            self.reject(f"is not valid: {exc}")

    def check(self, file: ListedFile, answer: HttpAnswer) -> bytes:
        """Return the body of *answer* if it is the content of *file*.

        Raises:
            ModelPullError: it is another content.
        """
        if not file.has(answer.body):
            self.reject(f"is not the {file.path} that it announced")
        return answer.body

    def reject(self, what: str) -> NoReturn:
        """Raise a ModelPullError for an answer that a hub cannot give; *what* is a predicate."""
        msg = f"the answer of {self.host} {what}"
        raise ModelPullError(msg)


def parse_name(reference: ModelRef) -> HubName:
    """Split a reference to a hub into its parts.

    Raises:
        UnknownModel: the reference was not made by `ModelRef.parse`.
    """
    try:
        return HubName.parse(reference.location)
    except ValueError as exc:
        msg = f"{reference} does not name a model: {exc}"
        raise UnknownModel(msg) from exc


def find_endpoint(env: Mapping[str, str], variable: str, default: str) -> str:
    """Return the address that *variable* names, or else *default*, as in `Hub.endpoint`.

    Raises:
        ModelPullError: the address contains a password, which messages would show.
    """
    address = env.get(variable, "").strip().rstrip("/") or default
    if "@" in address:
        msg = f"{variable} contains a user or a password, which is not allowed"
        raise ModelPullError(msg)
    return address if "://" in address else f"https://{address}"
