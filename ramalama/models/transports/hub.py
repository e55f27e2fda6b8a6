"""A hub of models: somebody's small questions to one host, and what is made of its answers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

import httpx2

from ramalama.errors import AccessDenied, ModelPullError, UnknownModel
from ramalama.models.http.client import AnswerTooLong, ask
from ramalama.models.http.retry import RetryPolicy
from ramalama.models.reference.names import HubName
from ramalama.models.transports.api_requests import (
    PATIENCE,
    refuse_downgrade,
    server_of,
    translated,
)
from ramalama.models.transports.selection.listing import ListedFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ramalama.models.http.client import HttpAnswer
    from ramalama.models.reference.reference import ModelRef

LARGEST_ANSWER = 8 * 1024 * 1024  # bytes; a page of a listing has about one million
_COURTESY = 3.0  # seconds
LARGEST_READ = 32 * 1024 * 1024  # bytes; indexes and tokenizers


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """By what a hub knows a user; *source* tells where it is kept, for messages."""

    value: str = field(repr=False)
    source: str

    def __post_init__(self) -> None:
        """Refuse what no header can hold, as the error of a library would show it.

        Raises:
            AccessDenied: there are other characters in it than tokens have.
        """
        if not (self.value.isascii() and self.value.isprintable()) or " " in self.value:
            msg = f"what {self.source} holds is not a token; copy it again"
            raise AccessDenied(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """A hub, as one user sees it.

    Attributes:
        endpoint: its address, without "/" at the end.
        secrets: headers that tell who asks, for this host alone.
    """

    endpoint: str
    client: httpx2.Client = field(repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    retry_policy: RetryPolicy = field(default=PATIENCE, repr=False)

    @property
    def host(self) -> str:
        """Its name and port, for people."""
        return server_of(self.endpoint)

    def ask(self, path: str, *, limit: int = LARGEST_ANSWER) -> HttpAnswer:
        """Get *path*, of at most *limit* bytes; a refusal is an answer, too.

        Raises:
            ModelPullError: there was none.
        """
        url = self.endpoint + path
        with translated(url):
            answer = ask(
                self.client, url, headers=self.secrets, limit=limit, retry_policy=self.retry_policy
            )
        refuse_downgrade(url, answer.url)
        return answer

    def ask_in_passing(self, path: str) -> object:
        """Return what the JSON at *path* says; None if it is not there at once, or makes no sense.

        For what is a courtesy, and no reason to wait or to fail.
        """
        once = RetryPolicy(tries=1)
        url = self.endpoint + path
        try:
            answer = ask(
                self.client, url, headers=self.secrets, retry_policy=once, silence=_COURTESY
            )
            return json.loads(answer.body) if answer.ok else None
        except (httpx2.HTTPError, AnswerTooLong, ValueError, RecursionError):
            return None

    def read_json(self, answer: HttpAnswer) -> object:
        """Return what *answer* says.

        Raises:
            ModelPullError: it is not JSON.
        """
        try:
            content: object = json.loads(answer.body)
        except (ValueError, RecursionError):  # not JSON, or too much for the parser
            self.reject("is not JSON; is that the address of a hub?")
        return content

    def listed(
        self, *, path: object, size: object, sha256: object, oid: object = None
    ) -> ListedFile | None:
        """Read an entry of a listing, see `ListedFile.parse`.

        Raises:
            ModelPullError: it makes no sense.
        """
        try:
            return ListedFile.parse(path=path, size=size, sha256=sha256, oid=oid)
        except ValueError as exc:
            self.reject(f"makes no sense: {exc}")

    def check(self, file: ListedFile, answer: HttpAnswer) -> bytes:
        """Return what *answer* says, which is all of *file*.

        Raises:
            ModelPullError: it is something else.
        """
        if not file.has(answer.body):
            self.reject(f"is not the {file.path} that it announced")
        return answer.body

    def reject(self, what: str) -> NoReturn:
        """Raise a ModelPullError for an answer that no hub gives; *what* is a predicate."""
        msg = f"the answer of {self.host} {what}"
        raise ModelPullError(msg)


def parse_name(reference: ModelRef) -> HubName:
    """Take a reference to a hub apart.

    Raises:
        UnknownModel: it has not been made by `ModelRef.parse`.
    """
    try:
        return HubName.parse(reference.location)
    except ValueError as exc:
        msg = f"{reference} does not name a model: {exc}"
        raise UnknownModel(msg) from exc


def find_endpoint(env: Mapping[str, str], variable: str, default: str) -> str:
    """Return the address that *variable* names, else *default*, in the form of `Hub.endpoint`.

    Raises:
        ModelPullError: there is a password in it, which would get into messages.
    """
    address = env.get(variable, "").strip().rstrip("/") or default
    if "@" in address:
        msg = f"{variable} is an address with a user or a password, which it cannot have"
        raise ModelPullError(msg)
    return address if "://" in address else f"https://{address}"
