"""Log in to an OCI registry: let the registry check the login, and then save it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from ramalama.errors import AccessDenied, ConfigError, InvalidReference
from ramalama.models.auth.auth_file import remove_login, store_login
from ramalama.models.transports.oci.client.credentials import Credentials, FoundCredentials
from ramalama.models.transports.oci.client.registry import open_session
from ramalama_engines import ImageReference
from ramalama_engines.registry_auth.files import default_files, find_entries, named_file, normal_key

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama.models.transports.oci.client.registry import Access
    from ramalama_engines import InvokingUser

_SCHEMES = ("oci", "docker", "https", "http")
_HUGGINGFACE = ("huggingface", "hf", "huggingface.co", "hf.co")
_MODELSCOPE = ("modelscope", "ms", "modelscope.cn", "www.modelscope.cn")
_OLLAMA = ("ollama", "ollama.com", "registry.ollama.ai")
_SOME_REPOSITORY = "x"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryName:
    """A registry, or a namespace in it, for which a login can be saved.

    Attributes:
        domain: the host, with its port if given; ``docker.io`` for Docker Hub.
        key: the key of the login in the file: ``quay.io/team`` or the domain.
    """

    domain: str
    key: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a registry as a user types it: ``quay.io``, ``oci://localhost:5000/team``.

        Raises:
            InvalidReference: *text* is not a registry, or it is one without passwords.
        """
        name, first = _split(text)
        if first in _MODELSCOPE:
            msg = "ModelScope's token is taken from MODELSCOPE_API_TOKEN; there is no login"
            raise InvalidReference(msg)
        if first in _OLLAMA:
            msg = "Ollama's registry has no passwords; its public models need no login"
            raise InvalidReference(msg)
        try:
            domain = ImageReference.parse(f"{name}/{_SOME_REPOSITORY}").domain
        except ValueError:
            domain = ""
        # A name that is not a host is parsed as a namespace of Docker Hub.
        if not domain or domain != normal_key(first):
            msg = f"{text!r} is not a registry"
            hint = "use its host name: quay.io, docker.io, localhost:5000"
            raise InvalidReference(msg, hint=hint)
        return cls(domain=domain, key=normal_key(name))


def names_huggingface(text: str) -> bool:
    """Return whether *text*, ``huggingface`` or ``hf://`` or ``hf.co``, means Hugging Face."""
    return _split(text)[1] in _HUGGINGFACE


def login(registry: RegistryName, username: str, password: str, *, access: Access) -> Path:
    """Check *username* and *password* with *registry*, and return the file where they are saved.

    Raises:
        AccessDenied: the registry does not accept them.
        ModelPullError: the registry did not answer.
        ConfigError: the file cannot be written; the message says why.
    """
    if not username or ":" in username or not password:
        msg = "a user name without colons and a password are needed to log in"
        raise ConfigError(msg)
    check_login(registry, Credentials(username=username, password=password), access=access)
    file = login_file(access.user, access.authfile)
    store_login(file, registry.key, username, password)
    return file


def check_login(registry: RegistryName, credentials: Credentials, *, access: Access) -> None:
    """Ask *registry* whether it accepts *credentials*; OCI distribution spec, ``GET /v2/``.

    Raises:
        AccessDenied, ModelPullError: see `login`.
    """
    session = open_session(registry.domain, access, FoundCredentials(credentials=credentials))
    try:
        answer = session.ask("/v2/")
    except AccessDenied as exc:
        raise _denied(registry, credentials) from exc
    if answer.status in (401, 403):
        raise _denied(registry, credentials)
    if not answer.ok:
        raise session.refusal(answer)


def logout(registry: RegistryName, user: InvokingUser, *, authfile: Path | None = None) -> Path:
    """Remove the login for *registry*, and return the file that held it.

    Raises:
        ConfigError: the file did not hold it, or cannot be written.
    """
    file = login_file(user, authfile)
    if remove_login(file, registry.key):
        return file
    msg = f"not logged in to {registry.key}: {file} has no entry for it"
    elsewhere = [] if authfile or named_file(user) else _files_with(registry, user)
    if elsewhere:
        msg += (
            f", but {elsewhere[0]} has: log out with the program that wrote it, or use --authfile"
        )
    raise ConfigError(msg)


def login_file(user: InvokingUser, authfile: Path | None) -> Path:
    """Return the file that logins are written to: the one that podman and skopeo read first."""
    linux, macos, *_ = default_files(user)
    has_runtime_dir = bool(user.env.get("XDG_RUNTIME_DIR")) or (user.root / "run").is_dir()
    return authfile or named_file(user) or (linux if has_runtime_dir else macos)


def _split(text: str) -> tuple[str, str]:
    """Return the name without its scheme, and the first part of the name."""
    scheme, separator, rest = text.partition("://")
    if separator and scheme not in _SCHEMES:
        return text, scheme
    name = (rest if separator else text).rstrip("/")
    return name, name.partition("/")[0]


def _files_with(registry: RegistryName, user: InvokingUser) -> list[Path]:
    """Return the files that have an entry for *registry*."""
    reference = ImageReference.parse(f"{registry.key}/{_SOME_REPOSITORY}")
    entries = find_entries(reference, user)
    return [entry.source for entry in entries if entry.key or entry.registry_helper]


def _denied(registry: RegistryName, credentials: Credentials) -> AccessDenied:
    who = f"{credentials.username!r} with this password"
    return AccessDenied(f"{registry.domain} does not accept {who}; nothing was saved")
