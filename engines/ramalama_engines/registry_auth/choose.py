"""Choose the password that an engine gets for a registry.

The first file that has a password for the image is used; see `files.default_files`.

Some entries refer to something else: to a helper program, which this package does not run, or to an
identity token, which only the registry's own token service accepts. They give no password but a
notice, which the caller prints if the registry refuses access.
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
    """What the files contain for an image's registry.

    Attributes:
        auth: None means that the registry is used without a login.
        source: the file that holds *auth*.
        notices: entries that cannot be used, in one sentence each.
    """

    auth: RegistryAuth | None = None
    source: Path | None = None
    notices: tuple[str, ...] = ()


def find_auth(
    reference: ImageReference, user: InvokingUser, *, authfile: Path | None = None
) -> FoundAuth:
    """Return the login for the registry of *reference*.

    Raises:
        ImagePullError: the file that *authfile* or `REGISTRY_AUTH_FILE` names is missing or not
            valid. The message shows none of its content.
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
    """Return why *entry* cannot be used; None if it has nothing for *reference*."""
    if entry.problem:
        return entry.problem
    if entry.identity_token:
        return _unusable(entry, reference, "as an identity token, which engines cannot use")
    # Without an entry there is no login, even if a helper keeps the passwords of the file.
    helper = entry.registry_helper or (entry.store_helper if entry.key else None)
    if helper:
        where = f"in the program 'docker-credential-{helper}', which is not run for engines"
        return _unusable(entry, reference, where)
    return None


def _unusable(entry: AuthEntry, reference: ImageReference, where: str) -> str:
    remedy = "use --authfile to name a file with user and password"
    return f"{entry.source} keeps the password for {reference.domain} {where}; {remedy}"
