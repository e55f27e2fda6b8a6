"""Take away the firewall rules that a killed Podman left for its network: ``firewall.py SUBNET``.

Podman takes them away itself when the last container leaves a network. Left behind, they would
send a port of the host, which somebody else may get, to a container that is no more.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys

# Netavark's chains for one network: what it lets through, and the ports that it publishes.
_CHAIN = re.compile(r"NETAVARK-(?:DN-)?[0-9A-F]{13}")


def forget(subnet: str) -> None:
    """Delete every rule about *subnet* and the chains that were made for it."""
    saved = _run("iptables-save")
    own = {
        chain
        for rule in saved.splitlines()
        if subnet in shlex.split(rule)
        for chain in _CHAIN.findall(rule)
    }
    table = ""
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:]
        words = shlex.split(line)
        if words[:1] == ["-A"] and not (own | {subnet}).isdisjoint(words):
            _run("iptables", "-w", "-t", table, "-D", *words[1:])
    for chain in own:
        _run("iptables", "-w", "-t", "nat", "-X", chain)


def _run(program: str, *arguments: str) -> str:
    command = [shutil.which(program) or program, *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout


if __name__ == "__main__":
    forget(sys.argv[1])
