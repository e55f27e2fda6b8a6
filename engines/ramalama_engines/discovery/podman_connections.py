"""Read the connections that `podman system connection add` and `podman machine init` write.

The file is podman-connections.json of podman 5 and later (go.podman.io/common 0.70,
pkg/config/connections.go), next to the user's containers.conf, or where `PODMAN_CONNECTIONS_CONF`
says. The TLS fields exist since podman 5.7:

    {"Connection": {"Default": NAME,
                    "Connections": {NAME: {"URI": …, "Identity": …, "IsMachine": true,
                                           "TLSCA": …, "TLSCert": …, "TLSKey": …}}}}

Connections of podman 4, and those of the system, are in containers.conf; the JSON file takes
precedence.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ramalama_engines.address import TlsFiles
from ramalama_engines.discovery.containers_conf import read_containers_conf
from ramalama_engines.discovery.locate import checked_address
from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.registry_auth.json_file import JsonFileError, read_object
from ramalama_values import frozen
from ramalama_values.json import is_object
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ramalama_engines.address import EngineAddress
    from ramalama_engines.user import InvokingUser

_MOST_SHOWN = 5
_JSON_KEYS = ("URI", "Identity", "IsMachine", "TLSCA", "TLSCert", "TLSKey")
_TOML_KEYS = ("uri", "identity", "is_machine", "tls_ca", "tls_cert", "tls_key")


@frozen()
class PodmanConnection:
    """One connection, as a file describes it; nothing is checked before `address`."""

    name: str
    file: Path
    fields: tuple[object, ...]
    """The values of the keys, in the order of `_JSON_KEYS`."""

    @property
    def is_machine(self) -> bool:
        """Whether it leads to a virtual machine of podman on this host."""
        return self.fields[_JSON_KEYS.index("IsMachine")] is True

    def address(self, user: InvokingUser, source: str) -> EngineAddress:
        """Return the address; *source* begins each message.

        Raises:
            EngineUnavailable: the connection is not valid.
        """
        url, identity, is_machine, *tls = self.fields
        texts = [url, identity, *tls]
        if not all(map(_is_text, texts)) or not isinstance(is_machine, bool):
            msg = f"{source}: a field of the connection has a wrong type, or control characters"
            raise EngineUnavailable(msg)
        key, ca, cert, tls_key = (_path(user, each) for each in (identity, *tls))
        has_tls = any(tls)
        files = TlsFiles(ca=ca, cert=cert, key=tls_key) if has_tls else None
        return checked_address(
            str(url), source, identity_file=key, tls=files, is_machine=is_machine
        )


@frozen()
class PodmanConnections:
    """All connections by name, the default one's name ("" if there is none), and its file."""

    default: str
    connections: Mapping[str, PodmanConnection]
    is_remote: bool

    def find(self, name: str, source: str) -> PodmanConnection:
        """Return the connection *name*, which *source* names.

        Raises:
            EngineUnavailable: there is none; the message lists some of those that there are.
        """
        if name in self.connections:
            return self.connections[name]
        known = ", ".join(sorted(self.connections)[:_MOST_SHOWN]) or "none"
        msg = f"{source} names the podman connection {name!r}, which does not exist"
        hint = f"podman system connection list shows them (here: {known})"
        raise EngineUnavailable(one_line(msg), hint=one_line(hint))


def read_connections(user: InvokingUser) -> PodmanConnections:
    """Read all connections of podman.

    Raises:
        EngineUnavailable: a file cannot be read; the message names it.
    """
    conf = read_containers_conf(user)
    found = {
        name: _connection(name, table, _TOML_KEYS, file)
        for name, (table, file) in conf.destinations.items()
    }
    file = _json_file(user)
    table = _connection_table(file)
    default, entries = table.get("Default", ""), table.get("Connections", {})
    if not isinstance(default, str) or not is_object(entries if entries is not None else {}):
        msg = f"{file}: Default is not a name, or Connections is not a JSON object"
        raise EngineUnavailable(msg)
    for name, entry in (entries if is_object(entries) else {}).items():
        if not is_object(entry):
            msg = one_line(f"{file}: the connection {name!r} is not a JSON object")
            raise EngineUnavailable(msg)
        found[name] = _connection(name, entry, _JSON_KEYS, file)
    return PodmanConnections(
        default=default or conf.default, connections=found, is_remote=conf.is_remote
    )


def _json_file(user: InvokingUser) -> Path:
    named = user.env.get("PODMAN_CONNECTIONS_CONF")
    return Path(named) if named else user.config_dir / "containers/podman-connections.json"


def _connection_table(file: Path) -> Mapping[str, object]:
    try:
        table = read_object(file).get("Connection", {})
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except JsonFileError as exc:
        raise EngineUnavailable(str(exc)) from exc
    if not is_object(table):
        msg = f"{file}: Connection is not a JSON object"
        raise EngineUnavailable(msg)
    return table


def _connection(
    name: str, table: Mapping[str, object], keys: tuple[str, ...], file: Path
) -> PodmanConnection:
    url, identity, is_machine, *tls = keys
    fields = (
        *(table.get(url, ""), table.get(identity, ""), table.get(is_machine, False)),
        *(table.get(key, "") for key in tls),
    )
    return PodmanConnection(name=name, file=file, fields=fields)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.isprintable()


def _path(user: InvokingUser, value: object) -> Path | None:
    text = str(value)
    return user.home / text[2:] if text.startswith("~/") else Path(text) if text else None
