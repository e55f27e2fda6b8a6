"""When an engine that is opened late is opened; what it does then is in the contract."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from ramalama_engines.discovery.lazy_engine import EngineIdentity, LazyEngine
from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.fake import FakeEngine
from ramalama_engines.kinds import EngineKind

if TYPE_CHECKING:
    from ramalama_engines.spec import EngineInfo

IDENTITY = EngineIdentity(kind=EngineKind.DOCKER, url="unix:///there.sock", rootless=True)


class Opener:
    """Opens engines in memory, and counts them."""

    def __init__(self) -> None:
        self.opened: list[FakeEngine] = []

    def __call__(self) -> FakeEngine:
        self.opened.append(FakeEngine(kind=EngineKind.DOCKER))
        return self.opened[-1]


def info(engine: LazyEngine) -> EngineInfo:
    return engine.info


def test_it_tells_its_identity_by_heart() -> None:
    opener = Opener()

    with LazyEngine(IDENTITY, opener) as engine:
        assert (engine.kind, engine.url, engine.rootless) == (
            EngineKind.DOCKER,
            "unix:///there.sock",
            True,
        )

    assert not opener.opened


def test_it_is_opened_once_however_many_ask() -> None:
    opener = Opener()

    with LazyEngine(IDENTITY, opener) as engine, ThreadPoolExecutor(8) as pool:
        versions = {
            each.result().version for each in [pool.submit(info, engine) for _ in range(32)]
        }
        assert len(versions) == 1

    (opened,) = opener.opened
    with pytest.raises(EngineUnavailable):
        opened.list({})  # closed with it


def test_one_that_was_closed_is_not_opened_any_more() -> None:
    opener = Opener()
    engine = LazyEngine(IDENTITY, opener)

    engine.close()

    with pytest.raises(EngineUnavailable, match=r"docker at unix:///there.sock: .*closed"):
        engine.list({})
    assert not opener.opened


def test_one_that_could_not_be_opened_is_tried_again() -> None:
    answers: list[FakeEngine | EngineUnavailable] = [EngineUnavailable("not now"), FakeEngine()]

    def open_engine() -> FakeEngine:
        answer = answers.pop(0)
        if isinstance(answer, EngineUnavailable):
            raise answer
        return answer

    with LazyEngine(IDENTITY, open_engine) as engine:
        with pytest.raises(EngineUnavailable, match="not now"):
            engine.list({})
        assert not engine.list({})
