"""A pytest plugin that runs models for tests; pytest loads it if both packages are installed.

    @pytest.mark.ramalama(model="smollm2:135m", ctx_size=2048)
    def test_it_answers(ramalama_server):
        assert "".join(ramalama_server.chat().ask("Hello!"))

The marker takes the keywords of `ramalama.serve`. It can also mark a module or a class. A model is
started when the first test needs it. All tests of the run that need the same model and options
share its server, also between the workers of pytest-xdist.

With ``--ramalama-record=once``, or ``ramalama_record = once`` in the ini file, the answers are
recorded in files beside the tests, ``recordings/test_file.json``. Where everything that a test asks
is recorded, it needs no model and no container engine. The modes are those of `RecordMode`: "none"
is the one for a CI, "all" records everything anew.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, cast

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path
    from typing import NoReturn, Unpack

    from ramalama.api.client import Ramalama
    from ramalama.api.keywords import ServerKeywords
    from ramalama.errors import RamalamaError
    from ramalama.models.reference.reference import ModelRef
    from ramalama.serving.served_model import ServedModel
    from ramalama.serving.server import ModelServer
    from ramalama.testing.recorder import Recorder

_MARKER = "ramalama"
_MODEL = "ramalama_model"
_KEEP_ALIVE = "ramalama_keep_alive"
_WITHOUT_ENGINE = "ramalama_without_engine"
_RECORD = "ramalama_record"
_MODES: Final = ("off", "none", "once", "all")  # those of RecordMode, which is imported late
_RECORDER = pytest.StashKey["Recorder | None"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the ini file, and that of the command line."""
    what = "record the answers of models for runs without a model"
    parser.addini(_RECORD, f"{what}: {', '.join(_MODES)} (default: off)", default="off")
    parser.getgroup("ramalama").addoption(
        "--ramalama-record",
        choices=_MODES,
        help=f"{what}: none uses recorded answers only, once records what is missing, all records "
        f"everything anew (default: {_RECORD} of the ini file, else off)",
    )
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
    config.stash[_RECORDER] = _recorder(config)


def _recorder(config: pytest.Config) -> Recorder | None:
    """Return what records answers; None if they are not recorded."""
    mode = config.getoption("--ramalama-record") or config.getini(_RECORD)
    if mode not in _MODES:
        msg = f"{_RECORD} must be one of {', '.join(_MODES)}, not {mode!r}"
        raise pytest.UsageError(msg)
    if mode == "off":
        return None
    from ramalama.testing.recorder import Recorder  # noqa: PLC0415 (only when it is needed)
    from ramalama.testing.recording import RecordMode  # noqa: PLC0415 (see above)

    return Recorder(RecordMode(mode))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let the requests of a test come from, or into, the recording of its file."""
    recorder = item.config.stash[_RECORDER]
    if recorder is None:
        return (yield)
    recorder.begin(item.path)
    try:
        return (yield)
    finally:
        recorder.save()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Fail a test that does not notice that an answer is not recorded."""
    yield
    recorder = item.config.stash[_RECORDER]
    if recorder is not None and (misses := recorder.recording().misses):
        pytest.fail(misses[0], pytrace=False)


class ModelServers:
    """Starts the model servers of a test run; call the object to get the server of a model."""

    def __init__(
        self, *, skip_without_engine: bool, keep_alive: float, recorder: Recorder | None = None
    ) -> None:
        self._skip = skip_without_engine
        self._keep_alive = keep_alive
        self._recorder = recorder
        self._stack = ExitStack()
        self._starting = threading.Lock()  # a recorded server starts its model in a thread
        self._ramalama: Ramalama | None = None
        self._running: dict[str, ServedModel] = {}

    def __call__(
        self, model: str | Path | ModelRef, **options: Unpack[ServerKeywords]
    ) -> ServedModel:
        """Return the server of *model* with *options*, and start it if it does not run yet.

        If it cannot be started, the test fails. If no engine answers, the ini file decides whether
        the test fails or is skipped. If answers are recorded, the model is started when something
        is asked that is not recorded.
        """
        from ramalama.errors import RamalamaError  # noqa: PLC0415 (only when a server is needed)

        key = repr((model, sorted(options.items())))
        failure: RamalamaError | None = None
        try:
            self._ensure_running(key, model, options)
        except RamalamaError as exc:
            failure = exc
        # Outside the `except` block: otherwise pytest would also print the chain of exceptions.
        if failure is not None:
            self._fail_or_skip(model, failure)
        return self._running[key]

    def close(self) -> None:
        """Release all servers; those that no other process uses stop after the keep-alive time."""
        self._stack.close()

    def _ensure_running(
        self, key: str, model: str | Path | ModelRef, options: ServerKeywords
    ) -> None:
        from ramalama.testing.recorded import RecordedServer  # noqa: PLC0415 (see above)

        running = self._running.get(key)
        if isinstance(running, RecordedServer):
            running.note()
        elif running is None:
            self._running[key] = self._open(model, options)

    def _open(self, model: str | Path | ModelRef, options: ServerKeywords) -> ServedModel:
        if self._recorder is None:
            return self._start(model, options)
        if options.get("rag") is not None:
            pytest.fail("answers from documents (rag=) cannot be recorded", pytrace=False)
        from ramalama.testing.recorded import RecordedServer  # noqa: PLC0415 (see above)

        server = RecordedServer(model, self._recorder, lambda: self._start(model, options))
        return self._stack.enter_context(server)

    def _fail_or_skip(self, model: object, failure: RamalamaError) -> NoReturn:
        from ramalama.errors import EngineFailure  # noqa: PLC0415 (see above)
        from ramalama_engines import EngineUnavailable  # noqa: PLC0415 (see above)

        without_engine = isinstance(failure, EngineFailure) and isinstance(
            failure.cause, EngineUnavailable
        )
        if self._skip and without_engine:
            pytest.skip(f"no model without a container engine: {failure}")
        pytest.fail(f"cannot serve {model}: {failure}", pytrace=False)

    def _start(self, model: str | Path | ModelRef, options: ServerKeywords) -> ModelServer:
        from ramalama.api.client import Ramalama  # noqa: PLC0415 (see above)
        from ramalama.api.functions import serve  # noqa: PLC0415 (see above)

        with self._starting:
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
        recorder=request.config.stash[_RECORDER],
    )
    try:
        yield servers
    finally:
        servers.close()  # answers that clients have broken off are complete now
        if (recorder := request.config.stash[_RECORDER]) is not None:
            recorder.save()


@pytest.fixture
def ramalama_server(request: pytest.FixtureRequest, ramalama_servers: ModelServers) -> ServedModel:
    """Return the server of the model in the closest marker, or else in the ini file."""
    node = cast("pytest.Item", request.node)
    marker = node.get_closest_marker(_MARKER)
    keywords = dict(marker.kwargs) if marker else {}
    names = [
        *(marker.args if marker else ()),
        *([keywords.pop("model")] if "model" in keywords else []),
    ]
    model = names[0] if names else request.config.getini(_MODEL)
    if len(names) > 1 or not model:
        pytest.fail(
            f"no model: mark the test with @pytest.mark.{_MARKER}(model=...), or set {_MODEL}",
            pytrace=False,
        )
    return ramalama_servers(model, **cast("ServerKeywords", keywords))
