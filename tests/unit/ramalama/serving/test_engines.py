"""When an engine that is known from before is opened, and when not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ramalama.config.config import Config
from ramalama.errors import EngineFailure
from ramalama.serving.engines import EngineProvider
from ramalama_engines import Engine, EngineAddress, EngineKind, EngineUnavailable, InvokingUser
from ramalama_engines.discovery.engine_identity import EngineIdentity
from ramalama_engines.fake import FakeEngine
from tests.unit.engines.discovery.homes import write_connections, write_machine
from tests.unit.engines.unix_service import PODMAN_ANSWER, service

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

IDENTITY = EngineIdentity(kind=EngineKind.DOCKER, url="unix:///there.sock", rootless=True)


class Opener:
    """Opens engines in memory, and counts them; *refusals* times it cannot."""

    def __init__(self, *, refusals: int = 0) -> None:
        self.opened: list[FakeEngine] = []
        self._refusals = refusals

    def __call__(self, kind: EngineKind, address: EngineAddress) -> Engine:
        assert address.url == IDENTITY.url
        if self._refusals:
            self._refusals -= 1
            msg = "not now"
            raise EngineUnavailable(msg)
        self.opened.append(FakeEngine(kind=kind))
        return self.opened[-1]


@pytest.fixture
def opener() -> Opener:
    return Opener()


def user_of(tmp_path: Path, env: Mapping[str, str] | None = None) -> InvokingUser:
    return InvokingUser(env=env or {}, home=tmp_path, uid=1000, root=tmp_path)


def provider(
    tmp_path: Path,
    opener: Callable[[EngineKind, EngineAddress], Engine],
    *,
    config: Config | None = None,
    env: Mapping[str, str] | None = None,
) -> EngineProvider:
    run_dir = tmp_path / "run"
    user = user_of(tmp_path, env)
    return EngineProvider(config or Config(), user, run_dir=run_dir, open_engine=opener)


def test_an_engine_is_opened_once_however_many_ask(tmp_path: Path, opener: Opener) -> None:
    engines = provider(tmp_path, opener)

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(engines.reopen, IDENTITY) for _ in range(32)]
        assert {id(each.result()) for each in asked} == {id(opener.opened[0])}
    engines.close()

    (opened,) = opener.opened
    with pytest.raises(EngineUnavailable):
        opened.list({})  # closed with the provider


def test_after_the_end_no_engine_is_opened(tmp_path: Path, opener: Opener) -> None:
    engines = provider(tmp_path, opener)
    engines.close()

    with pytest.raises(EngineUnavailable, match=r"docker at unix:///there.sock: .*closed"):
        engines.reopen(IDENTITY)

    assert not opener.opened


def test_one_that_could_not_be_opened_is_tried_again(tmp_path: Path) -> None:
    engines = provider(tmp_path, Opener(refusals=1))

    with pytest.raises(EngineUnavailable, match="not now"):
        engines.reopen(IDENTITY)

    assert engines.reopen(IDENTITY).kind is EngineKind.DOCKER


@pytest.mark.parametrize(
    ("env", "config", "expected"),
    [
        ({"DOCKER_HOST": IDENTITY.url}, Config(), [IDENTITY]),
        ({"DOCKER_HOST": IDENTITY.url}, Config(engine=EngineKind.DOCKER), [IDENTITY]),
        ({"DOCKER_HOST": IDENTITY.url}, Config(engine=EngineKind.PODMAN), []),
        ({"DOCKER_HOST": "unix:///elsewhere.sock"}, Config(), []),
        ({}, Config(), []),
    ],
    ids=["named", "and its kind", "another kind", "another address", "none named"],
)
def test_only_an_engine_that_the_users_settings_choose_is_expected(
    tmp_path: Path,
    opener: Opener,
    env: Mapping[str, str],
    config: Config,
    expected: list[EngineIdentity],
) -> None:
    engines = provider(tmp_path, opener, config=config, env=env)

    assert engines.expected([IDENTITY, IDENTITY]) == expected
    assert not opener.opened


GPU = EngineIdentity(kind=EngineKind.PODMAN, url="ssh://me@gpu/x.sock", rootless=True)


@pytest.mark.parametrize(
    "config", [Config(engine_url=GPU.url), Config(connection="gpu")], ids=["url", "connection"]
)
def test_an_engine_that_the_settings_place_is_expected(
    tmp_path: Path, opener: Opener, config: Config
) -> None:
    write_connections(user_of(tmp_path), {"gpu": {"URI": GPU.url}})
    engines = provider(tmp_path, opener, config=config, env={"DOCKER_HOST": IDENTITY.url})

    assert engines.expected([IDENTITY, GPU]) == [GPU]


def test_a_recorded_engine_is_opened_with_the_key_of_its_connection(tmp_path: Path) -> None:
    connection = {"URI": GPU.url, "Identity": "/keys/id"}
    write_connections(user_of(tmp_path), {"gpu": connection})
    opened: list[EngineAddress] = []

    def opener(kind: EngineKind, address: EngineAddress) -> Engine:
        opened.append(address)
        return FakeEngine(kind=kind)

    provider(tmp_path, opener).reopen(GPU)

    assert opened == [EngineAddress(url=GPU.url, identity_file=Path("/keys/id"))]


def test_what_was_tried_is_known_after_a_failure(tmp_path: Path, opener: Opener) -> None:
    engines = provider(tmp_path, opener, config=Config(engine_url=f"unix://{tmp_path}/x.sock"))

    with pytest.raises(
        EngineFailure, match=r"engine_url of the Config says unix://.*: it does not exist"
    ):
        engines.connect()

    (attempt,) = engines.attempts
    assert (attempt.candidate.url, attempt.failure) == (
        *(f"unix://{tmp_path}/x.sock", "it does not exist"),
    )


def test_the_machine_of_an_engine_is_known(run_dir: Path, opener: Opener) -> None:
    user = user_of(run_dir)
    write_machine(user, "m")
    write_connections(user, {"m": {"URI": GPU.url, "IsMachine": True}})
    socket = user.runtime_dir / "podman/m-api.sock"
    with (
        service(socket, PODMAN_ANSWER) as url,
        closing(provider(run_dir, opener, config=Config(connection="m"))) as engines,
    ):
        assert engines.connect().url == url
        assert engines.machine is not None
        assert (engines.machine.name, engines.machine.provider) == ("m", "libkrun")


def test_an_identity_is_that_of_the_engine() -> None:
    engine = FakeEngine(kind=EngineKind.DOCKER)

    identity = EngineIdentity.of(engine)

    assert (identity.kind, identity.url, identity.rootless) == (
        *(EngineKind.DOCKER, engine.url, engine.rootless),
    )
