"""Read docker's contexts and the variables for TLS, as docker's command line does.

The formats are those of docker/cli 28, `cli/context/store` and `cli/flags/options.go`:

    ~/.docker/config.json                           "currentContext": NAME
    ~/.docker/contexts/meta/SHA256/meta.json        the address; SHA256 is that of the name
    ~/.docker/contexts/tls/SHA256/docker/           ca.pem, cert.pem, key.pem; each may be missing
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama_engines.address import TlsFiles
from ramalama_engines.discovery.locate import checked_address, of_docker
from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.registry_auth.json_file import JsonFileError, read_object
from ramalama_values.json import is_object
from ramalama_values.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ramalama_engines.address import EngineAddress
    from ramalama_engines.user import InvokingUser

_ENDPOINT = "docker"
_MOST_CONTEXTS = 100
_NAME = r"[A-Za-z0-9][A-Za-z0-9_.+-]*"  # docker/cli, cli/context/store/store.go
_META = "contexts/meta"


def context_name(user: InvokingUser) -> tuple[str, str]:
    """Return the name of the context, "" if none is set, and where it is set.

    Raises:
        EngineUnavailable: docker's config.json cannot be read.
    """
    if name := user.env.get("DOCKER_CONTEXT"):
        return name, "DOCKER_CONTEXT"
    config = user.docker_dir / "config.json"
    try:
        current = read_object(config).get("currentContext", "")
    except FileNotFoundError:
        return "", ""
    except JsonFileError as exc:
        raise EngineUnavailable(str(exc)) from exc
    if not isinstance(current, str):
        msg = f"currentContext in {config} is not a name"
        raise EngineUnavailable(msg)
    return current, f"currentContext in {config}"


def context_address(user: InvokingUser, name: str, source: str) -> EngineAddress:
    """Return the address of the context *name*; *source* begins each message.

    Raises:
        EngineUnavailable: the context does not exist or is not valid.
    """
    if not re.fullmatch(_NAME, name):
        msg = f"{printable(source)} is not possible: docker's contexts have other names"
        raise EngineUnavailable(msg)
    digest = _digest(name)
    path = user.docker_dir / _META / digest / "meta.json"
    try:
        return _read(user, path, source)
    except FileNotFoundError:
        msg = f"{source} does not exist: there is no {path}"
        raise EngineUnavailable(msg) from None


def context_addresses(user: InvokingUser) -> Iterator[EngineAddress]:
    """Yield the addresses of all contexts, in any order; skip those that are not valid."""
    from itertools import islice  # noqa: PLC0415 (all: only to find a recorded engine)

    for path in islice((user.docker_dir / _META).glob("*/meta.json"), _MOST_CONTEXTS):
        try:
            yield _read(user, path, f"{path}")
        except (FileNotFoundError, EngineUnavailable):
            continue


def tls_from_environment(user: InvokingUser) -> TlsFiles | None:
    """Return the files for TLS that docker's variables name; None if they ask for no TLS.

    `DOCKER_CERT_PATH` alone asks for it, too: docker's own programs disagree about that. The
    certificate is not checked only if `DOCKER_TLS` is set without `DOCKER_TLS_VERIFY`.
    """
    env = user.env
    verifies, named = env.get("DOCKER_TLS_VERIFY"), env.get("DOCKER_CERT_PATH")
    if not (verifies or named or env.get("DOCKER_TLS")):
        return None
    directory = Path(named) if named else user.docker_dir
    return _tls_files(directory, verify=bool(verifies) or not env.get("DOCKER_TLS"))


def _digest(name: str) -> str:
    import hashlib  # noqa: PLC0415 (loads OpenSSL; few users have a context)

    return hashlib.sha256(name.encode()).hexdigest()


def _read(user: InvokingUser, path: Path, source: str) -> EngineAddress:
    try:
        value: object = read_object(path)
    except JsonFileError as exc:
        msg = f"{source}: {exc}"
        raise EngineUnavailable(msg) from exc
    for key in ("Endpoints", _ENDPOINT):
        value = value.get(key) if is_object(value) else None
    endpoint = value if is_object(value) else {}
    url, skip = endpoint.get("Host"), endpoint.get("SkipTLSVerify", False)
    if not isinstance(url, str) or not url:
        msg = f"{source}: {path} names no docker endpoint"
        raise EngineUnavailable(msg)
    if not isinstance(skip, bool):
        msg = f"{source}: SkipTLSVerify in {path} is not true or false"
        raise EngineUnavailable(msg)
    directory = user.docker_dir / "contexts/tls" / path.parent.name / _ENDPOINT
    tls = _tls_files(directory, verify=not skip) if skip or directory.is_dir() else None
    return of_docker(checked_address(url, printable(source), tls=tls))


def _tls_files(directory: Path, *, verify: bool) -> TlsFiles:
    ca, cert, key = (
        file if file.exists() else None
        for file in (directory / f"{name}.pem" for name in ("ca", "cert", "key"))
    )
    return TlsFiles(ca=ca, cert=cert, key=key, verify=verify)
