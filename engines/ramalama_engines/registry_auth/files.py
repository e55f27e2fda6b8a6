"""Read a registry's entries from the files of Podman and Docker, in the order that both use.

If a file is named (`--authfile`, or else `REGISTRY_AUTH_FILE`), only this file is read, and it must
be readable. Otherwise these files are read if they exist:

    $XDG_RUNTIME_DIR/containers/auth.json    podman login; without the variable
                                             /run/containers/UID/auth.json
    ~/.config/containers/auth.json           podman login on macOS
    $DOCKER_CONFIG/config.json               docker login; ~/.docker without the variable
    ~/.dockercfg                             docker login before 2015: "auths" without its name

Within a file, the longest key that is a prefix of the image's name is used, so that a namespace can
have its own account; containers-auth.json(5).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama_engines.registry_auth.json_file import JsonFileError, read_object
from ramalama_engines.spec import RegistryAuth
from ramalama_values.json import is_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ramalama_engines.image_reference import ImageReference
    from ramalama_engines.user import InvokingUser

_DOCKER_HUB = "docker.io"
_DOCKER_HUB_ALIASES = ("index.docker.io", "registry-1.docker.io")
_DOCKER_HUB_KEY = "https://index.docker.io/v1/"
_OLD_NAME = ".dockercfg"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthEntry:
    """The content of one file for an image's registry; each field may be missing.

    Attributes:
        source: the file.
        key: the key of its entry, as it is written in the file.
        auth: user and password.
        identity_token: a token that only the registry's own token service accepts.
        registry_helper: NAME of the program ``docker-credential-NAME`` for this registry.
        store_helper: NAME of the program for all registries of the file.
        server: the registry's name for these programs.
        problem: why the file could not be read; a sentence that shows none of its content.
    """

    source: Path
    key: str | None = None
    auth: RegistryAuth | None = None
    identity_token: str | None = field(default=None, repr=False)
    registry_helper: str | None = None
    store_helper: str | None = None
    server: str = ""
    problem: str | None = None


def find_entries(
    reference: ImageReference, user: InvokingUser, *, authfile: Path | None = None
) -> tuple[AuthEntry, ...]:
    """Return the entries for *reference* of every file; the caller chooses the first usable one.

    Raises:
        JsonFileError: the file that *authfile* or `REGISTRY_AUTH_FILE` names is missing or not
        valid.
            The message begins with its name and shows none of its content.
    """
    if named := authfile or named_file(user):
        try:
            return (_read_entry(named, reference),)
        except FileNotFoundError:
            msg = f"{named} does not exist"
            raise JsonFileError(msg) from None
    return tuple(_default_entries(user, reference))


def named_file(user: InvokingUser) -> Path | None:
    """Return the file that `REGISTRY_AUTH_FILE` names; podman-login(1)."""
    named = user.env.get("REGISTRY_AUTH_FILE")
    return Path(named) if named else None


def default_files(user: InvokingUser) -> tuple[Path, ...]:
    """Return the files that are read, in order, if none is named; logins are saved in the first."""
    in_runtime_dir = bool(user.env.get("XDG_RUNTIME_DIR"))
    podman = user.runtime_dir if in_runtime_dir else user.root / "run"
    return (
        podman / "containers" / ("" if in_runtime_dir else str(user.uid)) / "auth.json",
        user.config_dir / "containers/auth.json",
        user.docker_dir / "config.json",
        user.home / _OLD_NAME,
    )


def normal_key(key: str) -> str:
    """Write a key as podman does; docker uses URLs of a registry's first or second API."""
    domain, _, path = key.removeprefix("https://").removeprefix("http://").partition("/")
    domain = _DOCKER_HUB if domain in _DOCKER_HUB_ALIASES else domain
    path = path.strip("/")
    return domain if _is_url(key) or path in ("", "v1", "v2") else f"{domain}/{path}"


def _default_entries(user: InvokingUser, reference: ImageReference) -> Iterator[AuthEntry]:
    for file in default_files(user):
        try:
            yield _read_entry(file, reference)
        except FileNotFoundError:
            continue
        except JsonFileError as exc:  # the user has not named this file
            yield AuthEntry(source=file, problem=f"{exc}; it was ignored")


def _read_entry(file: Path, reference: ImageReference) -> AuthEntry:
    """Return the entry for *reference* in *file*.

    Raises:
        FileNotFoundError: there is no such file.
        JsonFileError: the file, or the entry, is not valid.
    """
    content = read_object(file)
    if file.name == _OLD_NAME:
        content = {"auths": content}
    key, entry = _entry(content, file, reference)
    helper_key, helper = _registry_helper(content, reference)
    hub = reference.domain == _DOCKER_HUB
    return AuthEntry(
        source=file,
        key=key,
        auth=_auth(entry, file, key),
        identity_token=_text(entry.get("identitytoken")),
        registry_helper=helper,
        store_helper=_text(content.get("credsStore")),
        server=helper_key or key or (_DOCKER_HUB_KEY if hub else reference.domain),
    )


def _entry(
    content: Mapping[str, object], file: Path, reference: ImageReference
) -> tuple[str | None, Mapping[str, object]]:
    """Return the key, as written, and the entry of *reference*; (None, {}) if there is none."""
    auths = content.get("auths", {})
    if not is_object(auths):
        msg = f'{file} has an "auths" that is not a JSON object'
        raise JsonFileError(msg)
    # If a URL and a name mean the same registry, the name takes precedence.
    written = {normal_key(key): key for key in sorted(auths, key=_is_url, reverse=True)}
    for name in _names(reference):
        if name in written:
            entry = auths[written[name]]
            if not is_object(entry):
                msg = f"{file} has an entry {name!r} that is not a JSON object"
                raise JsonFileError(msg)
            return written[name], entry
    return None, {}


def _registry_helper(
    content: Mapping[str, object], reference: ImageReference
) -> tuple[str | None, str | None]:
    """Return the key, as written, and the helper that is only for the registry of *reference*."""
    helpers = content.get("credHelpers")
    for key, name in helpers.items() if is_object(helpers) else ():
        if normal_key(key) == reference.domain and (helper := _text(name)):
            return key, helper
    return None, None


def _names(reference: ImageReference) -> Iterator[str]:
    """Yield the image's name and its prefixes, down to the registry."""
    name = reference.repository
    while name:
        yield name
        name = name.rpartition("/")[0]


def _is_url(key: str) -> bool:
    return key.startswith(("https://", "http://"))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _auth(entry: Mapping[str, object], file: Path, key: str | None) -> RegistryAuth | None:
    encoded = entry.get("auth")
    if not encoded or entry.get("identitytoken"):  # docker then writes an incomplete "auth"
        return None
    auth = _decode(encoded)
    if auth is None:
        msg = f"{file} holds no user and password under {key!r}"
        raise JsonFileError(msg)
    return auth


def _decode(encoded: object) -> RegistryAuth | None:
    """Return the login in base64 of ``user:password``; None if it is anything else."""
    import binascii  # noqa: PLC0415 (few registries need a password)

    # No exception leaves this function: a decoding error contains the bytes that it failed on.
    try:
        text = binascii.a2b_base64(str(encoded), strict_mode=True).decode()
    except ValueError:
        return None
    username, colon, password = text.rstrip("\0").partition(":")  # docker pads with NULs
    return RegistryAuth(username=username, password=password) if username and colon else None
