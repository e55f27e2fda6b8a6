"""Address ranges for the engines' default networks, apart from everybody else's."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.lab.scratch import undo_at_the_end
from tests.lab.service import program

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A bridge, by the name of its interface, and the first three numbers of its addresses."""

    bridge: str
    prefix: str

    @property
    def subnet(self) -> str:
        """All its addresses."""
        return f"{self.prefix}.0/24"

    @property
    def gateway(self) -> str:
        """The host's own address in it."""
        return f"{self.prefix}.1"


def private_network(letter: str) -> Network:
    """Name a network that no other test run on this machine has; *letter* is the engine's."""
    pid = os.getpid()
    # 10.128.0.0/9 has room for 32768 of them, and few machines use the upper half of 10/8.
    number = (pid * 2 + ord(letter)) % 32768
    return Network(bridge=f"rl{letter}{pid}", prefix=f"10.{128 + number // 256}.{number % 256}")


def make_bridge(directory: Path, network: Network) -> None:
    """Make the interface, which goes when *directory* is removed."""
    ip = program("ip")
    undo_at_the_end(directory, ip, "link", "delete", network.bridge)
    for command in (
        ("link", "add", "name", network.bridge, "type", "bridge"),
        ("address", "add", f"{network.gateway}/24", "dev", network.bridge),
        ("link", "set", network.bridge, "up"),
    ):
        subprocess.run([ip, *command], check=True)
