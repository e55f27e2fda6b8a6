"""Make the request that pulls an image with podman."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from ramalama_engines.podman.session import Request

if TYPE_CHECKING:
    from ramalama_engines.spec import RegistryAuth


def pull_request(image: str, *, auth: RegistryAuth | None, tls_verify: bool) -> Request:
    """Return the request that pulls *image*, even if it is local, and streams its progress."""
    query = {
        "reference": image,
        "policy": "always",
        "compatMode": "true",  # podman 4.8 and later report bytes only in docker's format
    }
    if not tls_verify:  # sending "true" would override an insecure registry in registries.conf
        query["tlsVerify"] = "false"
    return Request(
        method="post",
        path="images/pull",
        query=query,
        timeout=None,  # a layer may take long between two lines
        headers=None if auth is None else {"X-Registry-Auth": _encode(auth)},
    )


def _encode(auth: RegistryAuth) -> str:
    credentials = {"username": auth.username, "password": auth.password}
    return base64.urlsafe_b64encode(json.dumps(credentials).encode()).decode()
