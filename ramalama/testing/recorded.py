"""A server that answers from a recording, and asks a real one for what is not recorded."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ramalama.errors import RamalamaError
from ramalama.serving.served_model import ServedModel
from ramalama.testing.forwarding import forward
from ramalama.testing.recorder import NotRecorded
from ramalama.testing.recording import RecordMode
from ramalama.testing.socket_server import HttpReply, HungUp, SocketServer
from ramalama.testing.values import Question
from ramalama_values.json import is_array, is_object, parse_json

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from ramalama.models.reference.reference import ModelRef
    from ramalama.serving.served_model import Opening
    from ramalama.testing.recorder import Recorder
    from ramalama.testing.recording import Recording
    from ramalama.testing.recording_file import RecordedAnswer
    from ramalama.testing.socket_server import Client, HttpRequest

_NOT_RECORDED: Final = 404  # no client sends a request again after it
_NOT_STARTED: Final = 500
_PAIR: Final = 2
_PATHS: Final = ("/", "./", "../", "~", "file://")


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
        self._facts: Mapping[str, object] = {}
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
        facts = recording.model(self._label)
        if facts is None or self._recorder.mode is RecordMode.ALL:
            facts = self._facts_of(self._model_or_start(recording))
            recording.note_model(self._label, facts)
        self._facts = facts
        return str(facts.get("name"))

    def _opening(self, system: str | None) -> Opening:
        own, messages, stop = (self._facts.get(name) for name in ("system", "messages", "stop"))
        return {
            "system": str(own) if system is None and own is not None else system,
            "opening": [
                (str(each[0]), str(each[1]))
                for each in (messages if is_array(messages) else [])
                if is_array(each) and len(each) == _PAIR
            ],
            "stop": [str(each) for each in stop] if is_array(stop) else (),
        }

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

    def _facts_of(self, real: ServedModel) -> Mapping[str, object]:
        """Return what `chat` has to know of a model, for a file."""
        opening = real._opening(None)  # noqa: SLF001 (one `ServedModel` stands for another)
        facts: dict[str, object] = {"name": real.model}
        if system := opening.get("system"):
            facts["system"] = system
        if messages := opening.get("opening"):
            facts["messages"] = [list(each) for each in messages]
        if stop := opening.get("stop"):
            facts["stop"] = list(stop)
        return facts

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
        recording.note_model(self._label, self._facts_of(real))
        return forward(request, real, recording)

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


def _missed(request: HttpRequest, recording: Recording) -> HttpReply:
    try:
        body: object = parse_json(request.body) if request.body else {}
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
