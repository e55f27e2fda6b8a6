"""What the files of Podman and Docker say of a registry, in the order in which both look.

A file that is named (`--authfile`, else `REGISTRY_AUTH_FILE`) is the only one that is read, and
must be readable. Otherwise these are, as far as they are there:

    $XDG_RUNTIME_DIR/containers/auth.json    podman login; without the variable
                                             /run/containers/UID/auth.json
    ~/.config/containers/auth.json           podman login on macOS
    $DOCKER_CONFIG/config.json               docker login; ~/.docker without the variable
    ~/.dockercfg                             docker login before 2015: "auths" without its name

Within a file the longest key that is a prefix of the image's name wins, so that a namespace may
have an account of its own; containers-auth.json(5).
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
    """What one file says of an image's registry; each of these may be missing.

    Attributes:
        source: the file.
        key: what an entry for it stands under, as it is written there.
        auth: user and password.
        identity_token: what the registry's own token service takes instead.
        registry_helper: NAME of the program ``docker-credential-NAME`` that knows this registry.
        store_helper: NAME of the program that knows all registries of the file.
        server: what these programs know the registry by.
        problem: why nothing could be read; a sentence that shows nothing of what is there.
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
    """Look up *reference* in every file that counts; the first that serves is the caller's choice.

    Raises:
        JsonFileError: the file that *authfile* or `REGISTRY_AUTH_FILE` names is missing or broken.
            The message begins with its name and says nothing of what is in it.
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
    """List the files that are read in this order where none is named; logins go to the first."""
    in_runtime_dir = bool(user.env.get("XDG_RUNTIME_DIR"))
    podman = user.runtime_dir if in_runtime_dir else user.root / "run"
    return (
        podman / "containers" / ("" if in_runtime_dir else str(user.uid)) / "auth.json",
        user.config_dir / "containers/auth.json",
        user.docker_dir / "config.json",
        user.home / _OLD_NAME,
    )


def normal_key(key: str) -> str:
    """Write a key as podman does; docker's are URLs of a registry's first or second API."""
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
        except JsonFileError as exc:  # nobody asked for this file in particular
            yield AuthEntry(source=file, problem=f"{exc}; it was left out")


def _read_entry(file: Path, reference: ImageReference) -> AuthEntry:
    """Look *reference* up in *file*.

    Raises:
        FileNotFoundError: there is no such file.
        JsonFileError: it, or the entry, is not as it should be.
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
    """Return the key, as written, and the entry of *reference*; None and nothing without one."""
    auths = content.get("auths", {})
    if not is_object(auths):
        msg = f'{file} has an "auths" that is not a JSON object'
        raise JsonFileError(msg)
    # A key that is a URL yields to one that is a name, if both mean the same registry.
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
    """Return the key, as written, and the helper of the registry of *reference* alone."""
    helpers = content.get("credHelpers")
    for key, name in helpers.items() if is_object(helpers) else ():
        if normal_key(key) == reference.domain and (helper := _text(name)):
            return key, helper
    return None, None


def _names(reference: ImageReference) -> Iterator[str]:
    """Yield the image's name and what it is part of, down to the registry."""
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
    if not encoded or entry.get("identitytoken"):  # beside which docker writes half an "auth"
        return None
    auth = _decode(encoded)
    if auth is None:
        msg = f"{file} holds no user and password under {key!r}"
        raise JsonFileError(msg)
    return auth


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
