"""A Docker daemon, beside the machine's own if there is one."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.lab.network import make_bridge
from tests.lab.newer_engines import entering
from tests.lab.service import EngineService, free_port, program, running

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from tests.lab.certificates import Certificate
    from tests.lab.network import Network


@contextmanager
def docker_daemon(
    directory: Path,
    *,
    network: Network,
    ca_file: Path,
    settings: Mapping[str, object] | None = None,
    tls: Certificate | None = None,
) -> Generator[EngineService]:
    """Run a daemon with *settings* and everything of its own below *directory*.

    With *tls*, its certificate, it also listens on a port of 127.0.0.1, for who has a certificate
    of the same authority.
    It leaves the host's firewall alone: a second daemon would empty the first one's chains.
    Published ports on 127.0.0.1 go through docker-proxy, which needs no rule.
    """
    directory.mkdir()
    (directory / "daemon.json").write_text(json.dumps(settings or {}))
    make_bridge(directory.parent, network)
    port = free_port() if tls else None
    service = EngineService(
        kind="docker", url=f"unix://{directory}/docker.sock", log=directory / "log", tls_port=port
    )
    command = (
        *entering(),
        program("dockerd"),
        *("--config-file", f"{directory}/daemon.json"),
        *("--data-root", f"{directory}/data"),
        *("--exec-root", f"{directory}/exec"),
        *("--pidfile", f"{directory}/pid"),
        *("--host", service.url),
        *(_over_tls(tls, port) if tls else ()),
        *("--bridge", network.bridge),
        *("--iptables=false", "--ip6tables=false", "--ip-masq=false", "--ip-forward=false"),
        # Some kernels let not even root raise a limit above the daemon's own.
        *("--default-ulimit", "nofile=1024:4096"),
    )
    env = {"PATH": os.environ["PATH"], "HOME": str(directory), "SSL_CERT_FILE": str(ca_file)}
    with running(command, log=service.log, ready=service.answers, env=env):
        yield service


def _over_tls(tls: Certificate, port: int | None) -> tuple[str, ...]:
    return (
        f"--host=tcp://127.0.0.1:{port}",
        "--tlsverify",
        f"--tlscacert={tls.ca_file}",
        f"--tlscert={tls.certificate}",
        f"--tlskey={tls.key}",
    )
