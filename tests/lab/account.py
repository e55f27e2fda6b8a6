"""A throw-away user for rootless services."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.lab.scratch import undo_at_the_end
from tests.lab.service import LabError, program

if TYPE_CHECKING:
    from pathlib import Path

# A group of the host that the user is in beside its own. Debian has it on every machine, and
# devices belong to it, so it stands for what keep-groups is for.
_SHARED_GROUP: Final = "video"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user of the host.

    Attributes:
        home: its own directory, where services may write.
        shared_gid: a supplementary group that it is in.
    """

    name: str
    uid: int
    gid: int
    shared_gid: int
    home: Path


def make_account(directory: Path) -> Account:
    """Add a user, with ranges of subordinate IDs; it goes when *directory* is removed."""
    if os.getuid() != 0:
        msg = "the lab adds a user and mounts file systems, so it needs root: run scripts/test"
        raise LabError(msg)
    name = f"ramalama-test-{os.getpid()}"
    home = directory / "home"
    # No password, but no lock either, which would close ssh to it.
    options = [
        "--password",
        "*",
        "--no-create-home",
        "--home-dir",
        str(home),
        "--groups",
        _SHARED_GROUP,
    ]
    undo_at_the_end(directory, "userdel", name)
    subprocess.run([program("useradd"), *options, name], check=True)
    entry = pwd.getpwnam(name)
    home.mkdir()
    os.chown(home, entry.pw_uid, entry.pw_gid)
    return Account(
        name=name,
        uid=entry.pw_uid,
        gid=entry.pw_gid,
        shared_gid=grp.getgrnam(_SHARED_GROUP).gr_gid,
        home=home,
    )
