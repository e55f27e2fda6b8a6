"""A server that answers from a recording, and asks a real one for what is not recorded."""

from __future__ import annotations

import os
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from ramalama.errors import RamalamaError
from ramalama.serving.served_model import ServedModel
from ramalama.testing.recording import RecordedAnswer, Recording, RecordMode
from ramalama.testing.socket_server import HttpReply, HungUp, SocketServer
from ramalama.testing.values import Question
from ramalama_values.json import is_object, parse_json

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import httpx2

    from ramalama.models.reference.reference import ModelRef
    from ramalama.testing.socket_server import Client, HttpRequest

_NOT_RECORDED: Final = 404  # no client sends a request again after it
_NOT_STARTED: Final = 500
_PATHS: Final = ("/", "./", "../", "~", "file://")
_DONE: Final = b"data: [DONE]\n\n"  # a client need not wait for what comes after it


class NotRecorded(RamalamaError):
    """Nothing is recorded, and no model may be started."""


class Recorder:
    """The recordings of a run of tests: each file of tests has one, beside it.

    Attributes:
        mode: what happens to requests.
        current: the recording of the test that runs; None before the first test.
    """

    def __init__(self, mode: RecordMode) -> None:
        self.mode = mode
        self.current: Recording | None = None
        self._recordings: dict[Path, Recording] = {}

    def begin(self, tests: Path) -> None:
        """Begin a test of the file *tests*."""
        file = tests.parent / "recordings" / f"{tests.stem}.json"
        if file not in self._recordings:
            self._recordings[file] = Recording(file, mode=self.mode)
        self.current = self._recordings[file]
        self.current.begin_test()

    def save(self) -> None:
        """Write what was recorded since the last time."""
        for recording in self._recordings.values():
            recording.save()

    def recording(self) -> Recording:
        """Return the recording of the test that runs.

        Raises:
            NotRecorded: no test runs.
        """
        if self.current is None:
            msg = "requests are recorded within tests only"
            raise NotRecorded(msg)
        return self.current


class RecordedServer(ServedModel):
    """A `ServedModel` in front of a model that is started when something is not recorded."""

    def __init__(
        self,
        model: str | Path | ModelRef,
        recorder: Recorder,
        start: Callable[[], ServedModel],
    ) -> None:
        self._label = label_of(model)
        self._recorder = recorder
        self._start = start
        self._starting = threading.Lock()
        self._real: ServedModel | None = None
        name = self.note()
        self._server = SocketServer(self._answer)
        super().__init__(self._server.endpoint, model=name)

    def note(self) -> str:
        """Record the model for the test that runs; return its name in requests.

        Raises:
            NotRecorded: it is not recorded, and it may not be started.
            RamalamaError: it cannot be started.
        """
        recording = self._recorder.recording()
        known = recording.model(self._label)
        if known is None or self._recorder.mode is RecordMode.ALL:
            known = {"name": self._model_or_start(recording).model}
            recording.note_model(self._label, known)
        return str(known.get("name"))

    def _model_or_start(self, recording: Recording) -> ServedModel:
        """Return the real server, which is started at the first call."""
        if self._recorder.mode is RecordMode.NONE:
            msg = (
                f"nothing of {self._label} is recorded in {_shown(recording.file)}; run pytest with"
                " --ramalama-record=once where there is a container engine"
            )
            raise NotRecorded(msg)
        with self._starting:
            if self._real is None:
                self._real = self._start()
            return self._real

    def _answer(self, request: HttpRequest, _client: Client) -> HttpReply:
        recording = self._recorder.recording()
        if answer := recording.next_answer(request):
            return _replay(answer)
        if self._recorder.mode is RecordMode.NONE:
            return _missed(request, recording)
        try:
            real = self._model_or_start(recording)
        except RamalamaError as exc:
            recording.misses.append(str(exc))
            return _refusal(_NOT_STARTED, str(exc))
        recording.note_model(self._label, {"name": real.model})
        return _forward(request, real, recording)

    def _leave(self) -> None:
        self._server.close()


def label_of(model: str | Path | ModelRef) -> str:
    """Return how a recording calls *model*: the same on every machine, so a file by its name."""
    text = str(model)
    is_path = isinstance(model, Path) or text.startswith(_PATHS)
    return os.path.basename(text) if is_path else text  # noqa: PTH119 (also of "~/…")


def _replay(answer: RecordedAnswer) -> HttpReply:
    if not answer.cut and not answer.content_type.startswith("text/event-stream"):
        return HttpReply(
            status=answer.status, content_type=answer.content_type, body=answer.text.encode()
        )
    return HttpReply(status=answer.status, content_type=answer.content_type, body=_replayed(answer))


def _replayed(answer: RecordedAnswer) -> Generator[bytes]:
    yield from answer.pieces()
    if answer.cut:
        raise HungUp


def _forward(request: HttpRequest, real: ServedModel, recording: Recording) -> HttpReply:
    response = _send(request, real)
    content_type = response.headers.get("content-type", "application/json")
    heard = _recorded(response, request, recording, content_type)
    if content_type.startswith("text/event-stream"):
        return HttpReply(status=response.status_code, content_type=content_type, body=heard)
    return HttpReply(status=response.status_code, content_type=content_type, body=b"".join(heard))


def _recorded(
    response: httpx2.Response, request: HttpRequest, recording: Recording, content_type: str
) -> Generator[bytes]:
    """Yield the body, and record it before its last piece; of one that breaks off, nothing."""
    import httpx2  # noqa: PLC0415 (slow to import)

    heard, complete = bytearray(), False

    def add(*, cut: bool) -> None:
        answer = RecordedAnswer(
            status=response.status_code,
            content_type=content_type,
            text=heard.decode(errors="replace"),
            cut=cut,
        )
        recording.add(request, answer)

    try:
        with closing(response):
            for piece in _body(response):
                heard += piece
                if not complete and heard.endswith(_DONE):
                    complete = True
                    add(cut=False)
                yield piece
    except GeneratorExit:
        if not complete:
            add(cut=True)
        raise
    except httpx2.RequestError as exc:
        raise HungUp from exc
    if not complete:
        add(cut=False)


def _body(response: httpx2.Response) -> Generator[bytes]:
    if response.is_stream_consumed:  # the SDK has read a failure
        yield response.content
    else:
        yield from response.iter_raw()


def _send(request: HttpRequest, real: ServedModel) -> httpx2.Response:
    """Send *request* to the *real* server, and return the response once its head has come."""
    import httpx2  # noqa: PLC0415 (slow to import)

    from ramalama_chat.client._openai import openai  # noqa: PLC0415 (see above)

    client = real.client()
    url = str(client.base_url.join(request.path))
    try:
        if request.method == "GET":
            response = client.get(
                url, cast_to=httpx2.Response, stream=True, stream_cls=openai.Stream[object]
            )
        else:
            response = client.post(
                url,
                content=request.body,
                cast_to=httpx2.Response,
                stream=True,
                stream_cls=openai.Stream[object],
            )
    except openai.APIStatusError as exc:
        return exc.response
    except openai.APIConnectionError as exc:
        raise HungUp from exc
    return cast("httpx2.Response", response)


def _missed(request: HttpRequest, recording: Recording) -> HttpReply:
    try:
        body = parse_json(request.body) if request.body else {}
    except ValueError:
        body = {}
    prompt = Question(body=body if is_object(body) else {}).prompt
    about = f" ({prompt[:60]!r})" if prompt else ""
    message = (
        f"{request.method} {request.path}{about} is not recorded in {_shown(recording.file)}; run"
        " pytest with --ramalama-record=once where there is a container engine"
    )
    recording.misses.append(message)
    return _refusal(_NOT_RECORDED, message)


def _refusal(status: int, message: str) -> HttpReply:
    return HttpReply.of_json({"error": {"code": status, "message": message}}, status=status)


def _shown(file: Path) -> str:
    return os.path.relpath(file)
