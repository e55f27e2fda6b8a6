"""Answer a registry's challenges, with a password or with a token.

A registry that requires ``Bearer`` names a token service (its realm), often on another host:
``auth.docker.io`` for Docker Hub. The password is sent there and not to the registry. So a registry
is trusted only as far as its connection: one with verified TLS cannot make this program send a
password without TLS. Source: the distribution project's token authentication and OAuth2
specifications.
"""

from __future__ import annotations

import math
import re
import threading
import time
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import httpx2

from ramalama.models.http.client import HttpAnswer, ask, send
from ramalama.models.http.failures import DEFAULT_RETRY_POLICY
from ramalama.models.transports.oci.client.challenge import Challenge, parse_challenges
from ramalama.models.transports.oci.client.credentials import Credentials
from ramalama.models.transports.oci.manifests.strict_json import parse_object

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ramalama.models.http.failures import RetryPolicy
    from ramalama.models.transports.oci.client.credentials import FoundCredentials

_CLIENT_ID = "ramalama"
_LARGEST_ANSWER = 64 * 1024
_PRINTABLE = r"[\x21-\x7e]+"
_DEFAULT_LIFETIME = 60.0  # seconds; the specification's
_LONGEST_LIFETIME = 3600
_MARGIN = 10.0  # seconds; a token that expires sooner is not used


class TokenError(Exception):
    """The registry or its token service gives no token; the message says why."""


class TokenRefused(TokenError):
    """The token service refuses to give this user a token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    value: str = field(repr=False)
    issued: float
    expires: float

    def good(self, max_age: float) -> bool:
        now = time.monotonic()
        return now < self.expires - _MARGIN and now <= self.issued + max_age


class Authorizer:
    """Authenticates requests to one registry with *found*; safe for several threads.

    *scopes* are the scopes of the token, ``repository:a/b:pull``. *secure* says that the registry
    is reached over TLS with a verified certificate.
    """

    def __init__(
        self,
        client: httpx2.Client,
        found: FoundCredentials,
        *,
        scopes: Sequence[str] = (),
        secure: bool = True,
        retry_policy: RetryPolicy = DEFAULT_RETRY_POLICY,
    ) -> None:
        self.client = client
        self.retry_policy = retry_policy
        self.found = found
        self._scopes = tuple(scopes)
        self._secure = secure
        self._lock = threading.Lock()
        self._challenge: Challenge | None = None
        self._token: _Token | None = None

    def learn(self, header: str) -> None:
        """Use the ``WWW-Authenticate`` header of a response that refused the last headers."""
        challenges = {challenge.scheme: challenge for challenge in parse_challenges(header)}
        with self._lock:
            self._challenge = challenges.get("bearer") or challenges.get("basic")
            self._token = None

    def headers(self, *, max_age: float = math.inf) -> Mapping[str, str]:
        """Return headers that authenticate the user, with a token younger than *max_age* seconds.

        They are empty before the first challenge, and if there are no credentials for it.

        Raises:
            TokenError: the token service does not give a token.
            httpx2.HTTPError, httpx2.InvalidURL: the token service cannot be reached.
        """
        with self._lock:
            match self._challenge:
                case Challenge(scheme="bearer") as challenge:
                    if self._token is None or not self._token.good(max_age):
                        self._token = self._fetch(challenge)
                    return {"authorization": f"Bearer {self._token.value}"}
                case Challenge():
                    return self._basic()
                case None:
                    return {}

    def _fetch(self, challenge: Challenge) -> _Token:
        realm = _realm(challenge, secure=self._secure)
        service = challenge.parameters.get("service")
        # Some registries write the scope differently; then both forms are requested.
        scopes = (*self._scopes, challenge.parameters.get("scope", ""))
        wanted = tuple(dict.fromkeys(scope for scope in scopes if scope))
        if self.found.credentials and (token := self.found.credentials.identity_token):
            answer = self._exchange(realm, service, wanted, token)
        else:
            answer = self._request(realm, service, wanted)
        return _read(answer, realm.host)

    def _request(self, realm: httpx2.URL, service: str | None, scopes: Sequence[str]) -> HttpAnswer:
        query: dict[str, str | Sequence[str]] = {"scope": scopes}
        if service:
            query["service"] = service
        url = realm.copy_merge_params(query)
        return ask(
            self.client,
            str(url),
            headers=self._basic(),
            limit=_LARGEST_ANSWER,
            retry_policy=self.retry_policy,
        )

    def _exchange(
        self, realm: httpx2.URL, service: str | None, scopes: Sequence[str], identity_token: str
    ) -> HttpAnswer:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": identity_token,
            "client_id": _CLIENT_ID,
            "service": service or "",
            "scope": " ".join(scopes),
        }
        headers = {"content-type": "application/x-www-form-urlencoded"}
        content = urlencode(form).encode()
        return send(self.client, "POST", str(realm), content=content, headers=headers)

    def _basic(self) -> Mapping[str, str]:
        match self.found.credentials:
            case Credentials(username=str(name), password=str(password)):
                encoded = b64encode(f"{name}:{password}".encode()).decode()
                return {"authorization": f"Basic {encoded}"}
            case _:
                return {}


def _realm(challenge: Challenge, *, secure: bool) -> httpx2.URL:
    text = challenge.parameters.get("realm", "")
    try:
        realm = httpx2.URL(text)
    except httpx2.InvalidURL:
        realm = httpx2.URL()
    if realm.scheme not in ("https", "http") or not realm.host or realm.userinfo:
        msg = f"it names a token service that is not a URL: {text[:100]!r}"
        raise TokenError(msg)
    if secure and realm.scheme != "https":
        msg = f"it names a token service without TLS, {realm.host!r}, which is not safe to use"
        raise TokenError(msg)
    return realm


def _read(answer: HttpAnswer, host: str) -> _Token:
    if answer.status in (400, 401, 403):
        msg = f"its token service {host} refused ({answer.status})"
        raise TokenRefused(msg)
    if not answer.ok:
        msg = f"its token service {host} answered {answer.status}"
        raise TokenError(msg)
    try:
        fields = parse_object(answer.body)
    except ValueError:
        fields = dict[str, object]()
    value = fields.get("token") or fields.get("access_token")
    if not isinstance(value, str) or not re.fullmatch(_PRINTABLE, value):
        msg = f"its token service {host} answered without a token"
        raise TokenError(msg)
    now = time.monotonic()
    return _Token(value=value, issued=now, expires=now + _lifetime(fields.get("expires_in")))


def _lifetime(seconds: object) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds <= 0:
        return _DEFAULT_LIFETIME
    return float(min(seconds, _LONGEST_LIFETIME))
