"""Choose the password that an engine is given for a registry.

The first file that has one for the image serves; `auth_files` tells which files those are.

Some entries point elsewhere: to a helper program, which this package does not run, or to an
identity token, which only the registry's own token service takes. They give a notice and no
password, for the caller to print when the registry refuses us.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ramalama_engines.errors import ImagePullError
from ramalama_engines.registry_auth.files import find_entries
from ramalama_engines.registry_auth.json_file import JsonFileError

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama_engines.image_reference import ImageReference
    from ramalama_engines.registry_auth.files import AuthEntry
    from ramalama_engines.spec import RegistryAuth
    from ramalama_engines.user import InvokingUser


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundAuth:
    """What the files say of an image's registry.

    Attributes:
        auth: None means that we ask as nobody in particular.
        source: the file that *auth* is from.
        notices: what was there and could not be used, a sentence each.
    """

    auth: RegistryAuth | None = None
    source: Path | None = None
    notices: tuple[str, ...] = ()


def find_auth(
    reference: ImageReference, user: InvokingUser, *, authfile: Path | None = None
) -> FoundAuth:
    """Look up who we are to the registry of *reference*.

    Raises:
        ImagePullError: the file that *authfile* or `REGISTRY_AUTH_FILE` names is missing or
            broken. The message says nothing of what is in it.
    """
    try:
        entries = find_entries(reference, user, authfile=authfile)
    except JsonFileError as exc:
        msg = f"the authentication file {exc}"
        raise ImagePullError(msg) from exc
    for entry in entries:
        if entry.auth:
            return FoundAuth(auth=entry.auth, source=entry.source)
    notices = (_notice(entry, reference) for entry in entries)
    return FoundAuth(notices=tuple(notice for notice in notices if notice))


def _notice(entry: AuthEntry, reference: ImageReference) -> str | None:
    """Say what *entry* has that is of no use here; None if it has nothing for *reference*."""
    if entry.problem:
        return entry.problem
    if entry.identity_token:
        return _unusable(entry, reference, "as an identity token, which engines are not given")
    # Without an entry for it nobody has logged in there, whatever keeps the passwords.
    helper = entry.registry_helper or (entry.store_helper if entry.key else None)
    if helper:
        where = f"in the program 'docker-credential-{helper}', which we do not run for engines"
        return _unusable(entry, reference, where)
    return None


def _unusable(entry: AuthEntry, reference: ImageReference, where: str) -> str:
    remedy = "give a file with user and password as --authfile"
    return f"{entry.source} keeps the password for {reference.domain} {where}; {remedy}"
