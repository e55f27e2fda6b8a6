"""What `ramalama doctor` says against what the engine's `inspect` says of a server; see -s."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.made_up_devices import Card, made_up_card
from tests.integration.served import serving

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from pathlib import Path

    from tests.lab.account import Account

pytestmark = pytest.mark.engines

Row = tuple[str, object, object]


@pytest.fixture(scope="module")
def card(lab: Path, account: Account) -> Generator[Card]:
    """A device that the group video may open."""
    with made_up_card(lab, f"{lab.name}-table", gid=account.shared_gid) as made:
        yield made


@pytest.mark.parametrize("engine", ["podman", "docker"])
@pytest.mark.parametrize(
    "options",
    [
        ("--device={card}",),
        ("--device={card}:/dev/renamed:rw", "--network=bridge"),
        ("--device=none",),
    ],
    ids=" ".join,
)
def test_the_doctor_says_what_inspect_says(
    request: pytest.FixtureRequest, engine: str, options: tuple[str, ...], card: Card
) -> None:
    words = [word.format(card=card.path) for word in options]
    with serving(request, engine, *words) as server:
        said = json.loads(server.cli.run("doctor", "--json", *words).out)
        rows = list(compare(said, server.container))

    print(f"\n{engine}: {' '.join(words)}")  # noqa: T201 (the table, for whoever wants to read it)
    for what, doctor, inspect in rows:
        print(f"  {what:10} {doctor!s:60} {inspect}")  # noqa: T201 (likewise)
    assert [what for what, doctor, inspect in rows if doctor != inspect] == []


def compare(said: Mapping[str, Any], container: Mapping[str, Any]) -> Iterator[Row]:
    """Yield what is compared, what the doctor says and what the engine says."""
    asked, host = said["Asked"], container["HostConfig"]
    devices: list[dict[str, str]] = asked["Devices"]
    listed: list[dict[str, str]] = host["Devices"] or []
    places = [(each["PathOnHost"], each["PathInContainer"]) for each in listed]
    yield "devices", [(each["source"], each["target"]) for each in devices], places
    permissions = [each["CgroupPermissions"] for each in listed]
    if any(permissions):  # Podman does not tell them
        yield "may", [each["permissions"] for each in devices], permissions
    yield "nodes", [node["path"] for node in said["Seen"]["nodes"]], [place[1] for place in places]
    yield "groups", asked["Groups"], host["GroupAdd"] or []
    yield "user", asked["User"], container["Config"]["User"]
    yield "network", asked["Network"], host["NetworkMode"]
    yield "privileged", asked["Privileged"], host["Privileged"]
    yield "image", said["Image"]["Name"], container["Config"]["Image"]
