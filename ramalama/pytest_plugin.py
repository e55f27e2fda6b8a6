"""A pytest plugin that runs models for tests; pytest loads it if both packages are installed.

    @pytest.mark.ramalama(model="smollm2:135m", ctx_size=2048)
    def test_it_answers(ramalama_server):
        assert "".join(ramalama_server.chat().ask("Hello!"))

The marker takes the keywords of `ramalama.serve`. It can also mark a module or a class. A model is
started when the first test needs it. All tests of the run that need the same model and options
share its server, also between the workers of pytest-xdist.
"""

from __future__ import annotations

from contextlib import ExitStack
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
    """Add the options of the ini file."""
    parser.addini(_MODEL, "model of ramalama_server, if no marker names one")
    parser.addini(
        _WITHOUT_ENGINE,
        "what happens to a test that needs a model if neither Podman nor Docker answers: fail "
        "(the default) or skip",
        default="fail",
    )
    parser.addini(
        _KEEP_ALIVE,
        "seconds that a model stays loaded for the next run of the tests (default: 0)",
        default="0",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and check the values of the ini file."""
    config.addinivalue_line(
        "markers", f"{_MARKER}(model, **options): the model of ramalama_server; see ramalama.serve"
    )
    if config.getini(_WITHOUT_ENGINE) not in ("fail", "skip"):
        msg = f"{_WITHOUT_ENGINE} must be fail or skip, not {config.getini(_WITHOUT_ENGINE)!r}"
        raise pytest.UsageError(msg)
    try:
        float(config.getini(_KEEP_ALIVE))
    except ValueError as exc:
        msg = f"{_KEEP_ALIVE} must be a number of seconds, not {config.getini(_KEEP_ALIVE)!r}"
        raise pytest.UsageError(msg) from exc


class ModelServers:
    """Starts the model servers of a test run; call the object to get the server of a model."""

    def __init__(self, *, skip_without_engine: bool, keep_alive: float) -> None:
        self._skip = skip_without_engine
        self._keep_alive = keep_alive
        self._stack = ExitStack()
        self._ramalama: Ramalama | None = None
        self._running: dict[str, ModelServer] = {}

    def __call__(self, model: str, **options: Unpack[ServerKeywords]) -> ModelServer:
        """Return the server of *model* with *options*, and start it if it does not run yet.

        If it cannot be started, the test fails. If no engine answers, the ini file decides whether
        the test fails or is skipped.
        """
        from ramalama.errors import RamalamaError  # noqa: PLC0415 (only when a server is needed)

        key = repr((model, sorted(options.items())))
        failure: RamalamaError | None = None
        if key not in self._running:
            try:
                self._running[key] = self._start(model, options)
            except RamalamaError as exc:
                failure = exc
        # Outside the `except` block: otherwise pytest would also print the chain of exceptions.
        if failure is not None:
            self._fail_or_skip(model, failure)
        return self._running[key]

    def close(self) -> None:
        """Release all servers; those that no other process uses stop after the keep-alive time."""
        self._stack.close()

    def _fail_or_skip(self, model: str, failure: RamalamaError) -> NoReturn:
        from ramalama.errors import EngineFailure  # noqa: PLC0415 (see above)
        from ramalama_engines import EngineUnavailable  # noqa: PLC0415 (see above)

        without_engine = isinstance(failure, EngineFailure) and isinstance(
            failure.cause, EngineUnavailable
        )
        if self._skip and without_engine:
            pytest.skip(f"no model without a container engine: {failure}")
        pytest.fail(f"cannot serve {model}: {failure}", pytrace=False)

    def _start(self, model: str, options: ServerKeywords) -> ModelServer:
        from ramalama.api.client import Ramalama  # noqa: PLC0415 (see above)
        from ramalama.api.functions import serve  # noqa: PLC0415 (see above)

        if self._ramalama is None:
            self._ramalama = self._stack.enter_context(Ramalama())
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
    """Yield a function that returns the server of a model: ``ramalama_servers("smollm2:135m")``."""
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
    """Return the server of the model in the closest marker, or else in the ini file."""
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
            f"no model: mark the test with @pytest.mark.{_MARKER}(model=...), or set {_MODEL}",
            pytrace=False,
        )
    return ramalama_servers(model, **cast("ServerKeywords", keywords))
