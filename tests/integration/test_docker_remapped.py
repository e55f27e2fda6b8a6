"""Docker with userns-remap: a server runs as its user all the same, so that it can be reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.cli import SMALL, Cli, Done, saying, user_of
from tests.lab import assets
from tests.lab.dockerd import docker_daemon
from tests.lab.network import private_network

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.lab.account import Account
    from tests.lab.certificates import Certificate

pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
def remapped(lab: Path, account: Account, trusted_certificate: Certificate) -> Generator[Cli]:
    """A user of a daemon that maps the users of its containers to subordinate ones."""
    with docker_daemon(
        lab / "remapped",
        network=private_network("u"),
        ca_file=trusted_certificate.ca_file,
        settings={"userns-remap": account.name},
    ) as service:
        assets.ensure_image(service)
        with user_of(service, lab) as user:
            yield user


@pytest.mark.parametrize(
    "options",
    [(), ("--network", "bridge"), ("--device", "/dev/null:/dev/renamed")],
    ids=["no network", "bridge", "renamed device"],
)
def test_a_server_answers(remapped: Cli, model: Path, options: tuple[str, ...]) -> None:
    done = remapped.run("run", *options, *SMALL, *saying("Yes."), str(model), "Are you?")

    assert done == Done(code=0, out="Yes.\n")


def test_doctor_agrees(remapped: Cli) -> None:
    assert remapped.run("doctor").code == 0
