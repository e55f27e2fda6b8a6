"""Make the query and the headers of a pull request to Docker."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ramalama_engines.image_reference import ImageReference
    from ramalama_engines.spec import RegistryAuth


def pull_params(reference: ImageReference) -> dict[str, str]:
    """Return the query of ``POST /images/create``; without a tag, Docker would fetch all tags."""
    tag = reference.digest or reference.tag or "latest"
    return {"fromImage": reference.repository, "tag": tag}


def pull_headers(reference: ImageReference, auth: RegistryAuth | None) -> dict[str, str]:
    """Return the headers that carry the credentials; Docker Engine API, "Authentication"."""
    if auth is None:
        return {}
    words = {
        "username": auth.username,
        "password": auth.password,
        "serveraddress": reference.domain,
    }
    return {"X-Registry-Auth": urlsafe_b64encode(json.dumps(words).encode()).decode()}


def tls_remedy(reference: ImageReference) -> str:
    """Return how to disable the verification of a registry's certificate; a pull cannot do that."""
    registries = json.dumps({"insecure-registries": [reference.domain]})
    return (
        f"skip TLS verification of {reference.domain} for one pull; add {registries} to daemon.json"
    )
