"""A running model for anybody's tests; pytest loads this by itself where both are installed.

    @pytest.mark.ramalama(model="smollm2:135m", ctx_size=2048)
    def test_it_answers(ramalama_server):
        assert "".join(ramalama_server.chat().ask("Hello!"))

The keywords of the marker are those of `ramalama.serve`; the marker may stand on a module or a
class, too. A model is started when the first test asks for it, and serves all tests of the run that
want the same, those of pytest-xdist's other workers among them.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import NoReturn, Unpack

    from ramalama.api.client import Ramalama
    from ramalama.api.keywords import ServerKeywords
    from ramalama.errors import RamalamaError
    from ramalama.serving.server import ModelServer

_MARKER = "ramalama"
_MODEL = "ramalama_model"
_KEEP_ALIVE = "ramalama_keep_alive"
_WITHOUT_ENGINE = "ramalama_without_engine"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what a project says in its ini file."""
    parser.addini(_MODEL, "model of ramalama_server, where no marker names one")
    parser.addini(
        _WITHOUT_ENGINE,
        "what becomes of a test that needs a model where neither Podman nor Docker answers: fail "
        "(the default) or skip",
        default="fail",
    )
    parser.addini(
        _KEEP_ALIVE,
        "seconds that a model stays loaded for the next run of the tests (default: 0)",
        default="0",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and see that the ini file makes sense."""
    config.addinivalue_line(
        "markers", f"{_MARKER}(model, **options): the model of ramalama_server; see ramalama.serve"
    )
    if config.getini(_WITHOUT_ENGINE) not in ("fail", "skip"):
        msg = f"{_WITHOUT_ENGINE} is neither fail nor skip: {config.getini(_WITHOUT_ENGINE)!r}"
        raise pytest.UsageError(msg)
    try:
        float(config.getini(_KEEP_ALIVE))
    except ValueError as exc:
        msg = f"{_KEEP_ALIVE} is no number of seconds: {config.getini(_KEEP_ALIVE)!r}"
        raise pytest.UsageError(msg) from exc


class ModelServers:
    """The models that run for these tests: call it for one, it is started if need be."""

    def __init__(self, *, skip_without_engine: bool, keep_alive: float) -> None:
        self._skip = skip_without_engine
        self._keep_alive = keep_alive
        self._stack = ExitStack()
        self._ramalama: Ramalama | None = None
        self._running: dict[str, ModelServer] = {}

    def __call__(self, model: str, **options: Unpack[ServerKeywords]) -> ModelServer:
        """Return a server of *model*, the same one for the same options.

        Without an engine the test is skipped, or fails; so it does with a model that cannot serve.
        """
        from ramalama.errors import RamalamaError  # noqa: PLC0415 (many tests need none)

        key = repr((model, sorted(options.items())))
        failure: RamalamaError | None = None
        if key not in self._running:
            try:
                self._running[key] = self._start(model, options)
            except RamalamaError as exc:
                failure = exc
        # Out here, since pytest would show how the errors came about, too, which are a line each.
        if failure is not None:
            self._give_up(model, failure)
        return self._running[key]

    def close(self) -> None:
        """Give all of them up."""
        self._stack.close()

    def _give_up(self, model: str, failure: RamalamaError) -> NoReturn:
        from ramalama.errors import EngineFailure  # noqa: PLC0415 (see above)
        from ramalama_engines import EngineUnavailable  # noqa: PLC0415 (see above)

        without_engine = isinstance(failure, EngineFailure) and isinstance(
            failure.cause, EngineUnavailable
        )
        if self._skip and without_engine:
            pytest.skip(f"no model without a container engine: {failure}")
        pytest.fail(f"{model} does not serve: {failure}", pytrace=False)

    def _start(self, model: str, options: ServerKeywords) -> ModelServer:
        from ramalama.api.client import Ramalama  # noqa: PLC0415 (see above)
        from ramalama.api.functions import serve  # noqa: PLC0415 (see above)
        from ramalama.config.config import Config, config_files  # noqa: PLC0415 (see above)

        if self._ramalama is None:
            config = Config.load(os.environ, config_files(os.environ, Path.home()))
            self._ramalama = self._stack.enter_context(Ramalama(config))
        self._ramalama.remove_orphans()
        return self._stack.enter_context(
            serve(
                model,
                using=self._ramalama,
                reuse=True,
                keep_alive=self._keep_alive,
                **options,
            )
        )


@pytest.fixture(scope="session")
def ramalama_servers(request: pytest.FixtureRequest) -> Generator[ModelServers]:
    """Models by name, for tests that need several: ``ramalama_servers("smollm2:135m")``."""
    servers = ModelServers(
        skip_without_engine=request.config.getini(_WITHOUT_ENGINE) == "skip",
        keep_alive=float(request.config.getini(_KEEP_ALIVE)),
    )
    try:
        yield servers
    finally:
        servers.close()


@pytest.fixture
def ramalama_server(request: pytest.FixtureRequest, ramalama_servers: ModelServers) -> ModelServer:
    """Return a server of the model that the closest marker names, or else the ini file."""
    node = cast("pytest.Item", request.node)
    marker = node.get_closest_marker(_MARKER)
    keywords = dict(marker.kwargs) if marker else {}
    names = [
        *(marker.args if marker else ()),
        *([keywords.pop("model")] if "model" in keywords else []),
    ]
    model = names[0] if names else request.config.getini(_MODEL)
    if len(names) > 1 or not isinstance(model, str) or not model:
        pytest.fail(
            f"which model? Mark the test with @pytest.mark.{_MARKER}(model=...), or set {_MODEL}",
            pytrace=False,
        )
    return ramalama_servers(model, **cast("ServerKeywords", keywords))
