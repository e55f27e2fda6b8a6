"""The files of known hosts: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
from typing import TYPE_CHECKING, Final

import asyncssh

from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_MOST_BYTES: Final = 16 << 20  # of one file

# Without those of certificates. A server that has a certificate of an authority that is not known
# would show that alone.
_PLAIN: Final = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
_CERTIFICATES: Final = (
    "ssh-ed25519-cert-v01@openssh.com",
    "ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "ecdsa-sha2-nistp384-cert-v01@openssh.com",
    "ecdsa-sha2-nistp521-cert-v01@openssh.com",
    "rsa-sha2-512-cert-v01@openssh.com",
    "rsa-sha2-256-cert-v01@openssh.com",
)


@frozen()
class KnownKeys:
    """The keys that a host may have, those of its authorities, and those that are revoked.

    *elsewhere* are its keys at the usual port, if the files do not have the port that is used.
    """

    keys: Sequence[asyncssh.SSHKey]
    elsewhere: Sequence[asyncssh.SSHKey]
    authorities: Sequence[asyncssh.SSHKey]
    revoked: Sequence[asyncssh.SSHKey]

    def has_other(self, key: asyncssh.SSHKey) -> bool:
        """Return whether the host is known by another key of the same kind."""
        return any(each.algorithm == key.algorithm for each in self.keys if each != key)

    @property
    def trusted(self) -> Sequence[asyncssh.SSHKey]:
        """All keys that the host may show."""
        return [*self.keys, *self.elsewhere]

    @property
    def algorithms(self) -> Sequence[str]:
        """The algorithms to ask the host for, those of the keys that are known first."""
        known = [name.decode() for key in self.trusted for name in key.sig_algorithms]
        first = [*_CERTIFICATES] if self.authorities else []
        wanted = [name for name in known if name in _PLAIN or name.startswith("sk-")]
        return list(dict.fromkeys([*first, *wanted, *_PLAIN]))


def read_known_keys(files: Sequence[Path], *, name: str) -> KnownKeys:
    """Return what the files say of the host *name*, "host" or "[host]:port".

    Files and lines that are not readable are skipped.
    """
    entries = asyncssh.SSHKnownHosts()
    for file in files:
        with contextlib.suppress(OSError), file.open("rb") as opened:
            for line in opened.read(_MOST_BYTES).decode(errors="replace").splitlines():
                with contextlib.suppress(ValueError):
                    entries.load(line)
    keys, authorities, revoked, *_ = entries.match(name, "", None)
    elsewhere: Sequence[asyncssh.SSHKey] = ()
    if not keys and not authorities and name.startswith("["):
        host = name[1:].rpartition("]:")[0]
        elsewhere, authorities, revoked_there, *_ = entries.match(host, "", None)
        revoked = [*revoked, *revoked_there]
    return KnownKeys(keys=keys, elsewhere=elsewhere, authorities=authorities, revoked=revoked)


def add_known_key(file: Path, key: asyncssh.SSHKey, *, name: str, hashed: bool) -> None:
    """Append a line; create the file and its directory for the user alone.

    Raises:
        OSError: it cannot be written.
    """
    kind, _, data = key.export_public_key("openssh").decode().strip().partition(" ")
    line = f"{_hashed(name) if hashed else name} {kind} {data.split()[0]}\n"
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "r+b", buffering=0) as opened:
        with contextlib.suppress(OSError):  # an empty file, or not one that has a length
            opened.seek(-1, os.SEEK_END)
            line = line if opened.read(1) == b"\n" else f"\n{line}"
        opened.write(line.encode())


def _hashed(name: str) -> str:
    salt = secrets.token_bytes(hashlib.sha1().digest_size)  # noqa: S324 (the format's)
    mac = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(mac).decode()}"
