"""When an engine that is known from before is opened, and when not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from ramalama.config.config import Config
from ramalama.serving.engines import EngineProvider
from ramalama_engines import Engine, EngineAddress, EngineKind, EngineUnavailable, InvokingUser
from ramalama_engines.discovery.engine_identity import EngineIdentity
from ramalama_engines.fake import FakeEngine

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

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


def provider(
    tmp_path: Path,
    opener: Opener,
    *,
    config: Config | None = None,
    env: Mapping[str, str] | None = None,
) -> EngineProvider:
    user = InvokingUser(env=env or {}, home=tmp_path, uid=1000, root=tmp_path)
    run_dir = tmp_path / "run"
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


def test_an_identity_is_that_of_the_engine() -> None:
    engine = FakeEngine(kind=EngineKind.DOCKER)

    identity = EngineIdentity.of(engine)

    assert (identity.kind, identity.url, identity.rootless) == (
        *(EngineKind.DOCKER, engine.url, engine.rootless),
    )
