"""Who we are to an OCI registry: from the files and keychains of Podman, Docker and skopeo.

Files are looked at in the order of `ramalama_engines.registry_auth.files`. Within one file a
credential helper of this very registry comes first, then what is written down for the image, then
the helper of the whole file: as podman and docker do it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ramalama.errors import AccessDenied
from ramalama_engines.registry_auth.files import find_entries
from ramalama_engines.registry_auth.json_file import JsonFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ramalama_engines import ImageReference, User
    from ramalama_engines.registry_auth.files import AuthEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A user and a password, or an identity token, or nothing: then we are nobody in particular.

    Attributes:
        identity_token: what the registry's token service takes as a refresh token.
        source: where they are from, for people: a file, perhaps with the helper that it names.
    """

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    identity_token: str | None = field(default=None, repr=False)
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCredentials:
    """What is known of us at a registry.

    Attributes:
        credentials: None means that we ask as nobody in particular.
        notices: what was there and could not be used, a sentence each; for when we are refused.
    """

    credentials: Credentials | None = None
    notices: tuple[str, ...] = ()


def find_credentials(
    reference: ImageReference, user: User, authfile: Path | None = None
) -> FoundCredentials:
    """Look up who we are to the registry of *reference*; may run a credential helper.

    Raises:
        AccessDenied: the file that *authfile* or `REGISTRY_AUTH_FILE` names is missing or broken.
            The message says nothing of what is in it.
    """
    try:
        entries = find_entries(reference, user, authfile=authfile)
    except JsonFileError as exc:
        msg = f"the authentication file {exc}"
        raise AccessDenied(msg) from exc
    notices: list[str] = []
    for entry in entries:
        if entry.problem:
            notices.append(entry.problem)
        for found in _search(entry, user):
            if found.credentials:
                return found
            notices.extend(found.notices)
    return FoundCredentials(notices=tuple(notices))


def _search(entry: AuthEntry, user: User) -> Iterator[FoundCredentials]:
    """Yield what each part of *entry* knows, the part that counts most first."""
    if entry.registry_helper:
        yield _ask(entry.registry_helper, entry, user)
    source = str(entry.source)
    if entry.identity_token:
        token = Credentials(identity_token=entry.identity_token, source=source)
        yield FoundCredentials(credentials=token)
    if entry.auth:
        name, password = entry.auth.username, entry.auth.password
        login = Credentials(username=name, password=password, source=source)
        yield FoundCredentials(credentials=login)
    if entry.store_helper:
        yield _ask(entry.store_helper, entry, user)


def _ask(helper: str, entry: AuthEntry, user: User) -> FoundCredentials:
    from ramalama.models.transports.oci.client.credential_helper import (  # noqa: PLC0415 (few have one)
        HelperFailed,
        ask_helper,
    )

    try:
        known = ask_helper(helper, entry.server, user.env)
    except HelperFailed as exc:
        return FoundCredentials(notices=(f"{exc}; {entry.source} names it",))
    source = f"{entry.source}, docker-credential-{helper}"
    return FoundCredentials(credentials=known and replace(known, source=source))
