"""A token service for docker-registry; the distribution project's token specification.

The tokens are JSON Web Tokens, signed with the key of a certificate that the registry knows.
"""

from __future__ import annotations

import base64
import json
import ssl
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.doubles.server import FileServer, Reply
from tests.lab.certificates import make_certificate

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from tests.doubles.server import Request
    from tests.lab.certificates import Certificate
    from tests.lab.registry import Login

ISSUER: Final = "the lab's token service"
SERVICE: Final = "the lab's registry"
IDENTITY_TOKEN: Final = "an-identity-token"  # noqa: S105 (it opens nothing)

_LIFETIME = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """What somebody asked for; *who* is None for strangers."""

    who: str | None
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenServer:
    """A running token service: strangers may pull from ``public/``, *login*'s owner everything.

    Attributes:
        signer: whose key signs the tokens; the registry knows its authority.
        requests: what was asked, in order.
    """

    url: str
    login: Login
    signer: Certificate
    requests: list[TokenRequest] = field(default_factory=list[TokenRequest])

    def answer(self, request: Request) -> Reply:
        """Answer a password, or nothing (GET), or an identity token (POST, OAuth2)."""
        if request.method == "POST":
            form = parse_qs(request.body.decode())
            if form.get("refresh_token") != [IDENTITY_TOKEN]:
                return Reply.of_json({"error": "invalid_grant"}, status=401)
            scopes = " ".join(form.get("scope", ())).split()
            return self._grant(self.login.username, scopes, name="access_token")
        scopes = parse_qs(urlsplit(request.target).query).get("scope", [])
        shown = request.headers.get("authorization")
        if shown is None:
            return self._grant(None, scopes)
        known = f"{self.login.username}:{self.login.password}".encode()
        if shown != f"Basic {base64.b64encode(known).decode()}":
            return Reply.of_json({"details": "wrong password"}, status=401)
        return self._grant(self.login.username, scopes)

    def _grant(self, who: str | None, scopes: Sequence[str], *, name: str = "token") -> Reply:
        self.requests.append(TokenRequest(who=who, scopes=tuple(scopes)))
        access: list[dict[str, object]] = []
        for scope in scopes:
            kind, repository, wanted = scope.split(":")
            allowed = ["pull"] if repository.startswith("public/") else []
            actions = wanted.split(",") if who else allowed
            access.append({"type": kind, "name": repository, "actions": actions})
        return Reply.of_json({name: self._sign(who or "", access), "expires_in": _LIFETIME})

    def _sign(self, who: str, access: list[dict[str, object]]) -> str:
        now = int(time.time())
        certificate = x509.load_pem_x509_certificate(self.signer.certificate.read_bytes())
        key = serialization.load_pem_private_key(self.signer.key.read_bytes(), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        der = certificate.public_bytes(serialization.Encoding.DER)
        header = {"typ": "JWT", "alg": "ES256", "x5c": [base64.b64encode(der).decode()]}
        payload = {
            "iss": ISSUER,
            "sub": who,
            "aud": SERVICE,
            "exp": now + _LIFETIME,
            "nbf": now - 10,
            "iat": now,
            "jti": uuid4().hex,
            "access": access,
        }
        signed = b".".join(_encode(json.dumps(part).encode()) for part in (header, payload))
        r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256())))
        return (signed + b"." + _encode(r.to_bytes(32, "big") + s.to_bytes(32, "big"))).decode()


@contextmanager
def serve_tokens(
    directory: Path, login: Login, *, certificate: Certificate | None = None
) -> Generator[TokenServer]:
    """Run a token service, with TLS if it has a *certificate*; *directory* is made."""
    signer = make_certificate(directory)

    tls = None
    if certificate:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate.certificate, certificate.key)
    with FileServer(tls=tls) as server:
        service = TokenServer(url=f"{server.url}/token", login=login, signer=signer)
        server.routes["/token"] = service.answer
        yield service


def _encode(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")
