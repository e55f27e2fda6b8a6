"""Find the password for a registry where Podman and Docker keep it.

A file that is named (`--authfile`, else `REGISTRY_AUTH_FILE`) is the only one that is read, and
must be readable. Otherwise the first of these that has an entry for the image serves:

    $XDG_RUNTIME_DIR/containers/auth.json    podman login; without the variable
                                             /run/containers/UID/auth.json
    ~/.config/containers/auth.json           podman login on macOS
    $DOCKER_CONFIG/config.json               docker login; ~/.docker without the variable

Within a file the longest key that is a prefix of the image's name wins, so that a namespace may
have an account of its own; containers-auth.json(5).

Some entries point elsewhere: to a helper program, which we do not run, or to an identity token,
which only the registry's own token service takes. They give a notice and no password, for the
caller to print when the registry refuses us.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama_engines.errors import ImagePullError
from ramalama_engines.jsonfile import JsonFileError, is_object, read_object
from ramalama_engines.values import RegistryAuth

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ramalama_engines.reference import ImageReference
    from ramalama_engines.user import User

_DOCKER_HUB = "docker.io"
_DOCKER_HUB_ALIASES = ("index.docker.io", "registry-1.docker.io")


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


def find_auth(reference: ImageReference, user: User, *, authfile: Path | None = None) -> FoundAuth:
    """Look up who we are to the registry of *reference*.

    Raises:
        ImagePullError: the file that *authfile* or `REGISTRY_AUTH_FILE` names is missing or
            broken. The message says nothing of what is in it.
    """
    if named := authfile or _from_variable(user):
        try:
            return _search(read_object(named), named, reference)
        except FileNotFoundError:
            msg = f"the authentication file {named} does not exist"
            raise ImagePullError(msg) from None
        except JsonFileError as exc:
            msg = f"the authentication file {exc}"
            raise ImagePullError(msg) from exc
    return _first_of(_default_files(user), reference)


def _from_variable(user: User) -> Path | None:
    named = user.env.get("REGISTRY_AUTH_FILE")
    return Path(named) if named else None


def _default_files(user: User) -> tuple[Path, ...]:
    in_runtime_dir = bool(user.env.get("XDG_RUNTIME_DIR"))
    podman = user.runtime_dir if in_runtime_dir else user.root / "run"
    return (
        podman / "containers" / ("" if in_runtime_dir else str(user.uid)) / "auth.json",
        user.config_dir / "containers/auth.json",
        user.docker_dir / "config.json",
    )


def _first_of(files: tuple[Path, ...], reference: ImageReference) -> FoundAuth:
    notices: list[str] = []
    for file in files:
        try:
            found = _search(read_object(file), file, reference)
        except FileNotFoundError:
            continue
        except JsonFileError as exc:  # nobody asked for this file in particular
            notices.append(f"{exc}; it was left out")
            continue
        if found.auth:
            return found
        notices.extend(found.notices)
    return FoundAuth(notices=tuple(notices))


def _search(content: Mapping[str, object], file: Path, reference: ImageReference) -> FoundAuth:
    """Look *reference* up in what was read from *file*.

    Raises:
        JsonFileError: the entry for it is not as it should be.
    """
    key, entry = _entry(content, file, reference)
    if entry.get("identitytoken"):
        return _unusable(file, key, "as an identity token, which is not supported")
    if encoded := entry.get("auth"):
        auth = _decode(encoded)
        if auth is None:
            msg = f"{file} holds no user and password under {key!r}"
            raise JsonFileError(msg)
        return FoundAuth(auth=auth, source=file)
    helpers = content.get("credHelpers")
    helper = helpers.get(reference.domain) if is_object(helpers) else None
    helper = helper or (content.get("credsStore") if key else None)
    if helper:
        program = f"docker-credential-{helper}"
        return _unusable(file, reference.domain, f"in the program {program!r}, which we do not run")
    return FoundAuth()


def _unusable(file: Path, key: str, where: str) -> FoundAuth:
    remedy = "give a file with user and password as --authfile"
    return FoundAuth(notices=(f"{file} keeps the password for {key} {where}; {remedy}",))


def _entry(
    content: Mapping[str, object], file: Path, reference: ImageReference
) -> tuple[str, Mapping[str, object]]:
    """Return the key and the entry of *reference*; "" and nothing if there is none."""
    auths = content.get("auths", {})
    if not is_object(auths):
        msg = f'{file} has an "auths" that is not a JSON object'
        raise JsonFileError(msg)
    # A key that is a URL yields to one that is a name, if both mean the same registry.
    entries = {_normal(key): auths[key] for key in sorted(auths, key=_is_url, reverse=True)}
    for key in _keys(reference):
        if key in entries:
            entry = entries[key]
            if not is_object(entry):
                msg = f"{file} has an entry {key!r} that is not a JSON object"
                raise JsonFileError(msg)
            return key, entry
    return "", {}


def _keys(reference: ImageReference) -> Iterator[str]:
    """Yield the image's name and what it is part of, down to the registry."""
    name = reference.repository
    while name:
        yield name
        name = name.rpartition("/")[0]


def _is_url(key: str) -> bool:
    return key.startswith(("https://", "http://"))


def _normal(key: str) -> str:
    """Write a key as podman does; docker's are URLs of a registry's first or second API."""
    domain, _, path = key.removeprefix("https://").removeprefix("http://").partition("/")
    domain = _DOCKER_HUB if domain in _DOCKER_HUB_ALIASES else domain
    path = path.strip("/")
    return domain if _is_url(key) or path in ("", "v1", "v2") else f"{domain}/{path}"


def _decode(encoded: object) -> RegistryAuth | None:
    """Read base64 of ``user:password``; None if it is anything else."""
    import binascii  # noqa: PLC0415 (few registries need a password)

    # No exception leaves here: one of decoding carries the bytes that it could not decode.
    try:
        text = binascii.a2b_base64(str(encoded), strict_mode=True).decode()
    except ValueError:
        return None
    username, colon, password = text.rstrip("\0").partition(":")  # docker pads with NULs
    return RegistryAuth(username=username, password=password) if username and colon else None
