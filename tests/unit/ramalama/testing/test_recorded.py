"""Answers that are recorded once, and replayed without the server that gave them."""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import openai
import pytest

from ramalama.errors import ConfigError, RamalamaError
from ramalama.testing import FakeServer, Reply, fake_server
from ramalama.testing.fake_api import FakeApi
from ramalama.testing.recorded import RecordedServer, label_of
from ramalama.testing.recorder import NotRecorded, Recorder
from ramalama.testing.recording import Recording, RecordMode
from ramalama_chat.errors import RequestFailed, ServerGone

if TYPE_CHECKING:
    from collections.abc import Generator

    from ramalama.serving.served_model import Opening, ServedModel


@pytest.fixture
def tests(tmp_path: Path) -> Path:
    """The path of a file with tests."""
    return tmp_path / "test_it.py"


def file_of(tests: Path) -> Path:
    return tests.parent / "recordings" / "test_it.json"


@contextmanager
def recorded(mode: RecordMode, tests: Path, real: ServedModel | None) -> Generator[RecordedServer]:
    """A server as a test has it; where *real* is None, none may be started."""
    recorder = Recorder(mode)
    recorder.begin(tests)

    def start() -> ServedModel:
        assert real is not None, "a model was started"
        return real

    with RecordedServer("tiny:latest", recorder, start) as server:
        yield server
    recorder.save()


def ask(server: ServedModel, prompt: str = "Hi", **parameters: object) -> str:
    chat = server.chat()
    chat.parameters.update(parameters)
    return "".join(chat.ask(prompt))


def test_an_answer_is_recorded_once_and_replayed_without_the_model(tests: Path) -> None:
    with (
        fake_server("Good day to you", model="tiny") as real,
        recorded(RecordMode.ONCE, tests, real) as server,
    ):
        assert ask(server) == "Good day to you"
    with recorded(RecordMode.ONCE, tests, None) as server:
        assert server.model == "tiny"
        assert ask(server) == "Good day to you"
    with recorded(RecordMode.NONE, tests, None) as server:
        assert ask(server) == "Good day to you"


def test_what_is_missing_is_asked_and_added(tests: Path) -> None:
    with fake_server({"Hi": "first", "Ho": "second"}) as real:
        with recorded(RecordMode.ONCE, tests, real) as server:
            ask(server, "Hi")
        with recorded(RecordMode.ONCE, tests, real) as server:
            assert [ask(server, "Hi"), ask(server, "Ho")] == ["first", "second"]
        assert len(real.questions) == 2
    with recorded(RecordMode.NONE, tests, None) as server:
        assert [ask(server, "Ho"), ask(server, "Hi")] == ["second", "first"]


def test_a_request_with_other_parameters_is_another_one(tests: Path) -> None:
    with fake_server(["cold", "hot"]) as real, recorded(RecordMode.ONCE, tests, real) as server:
        assert [ask(server, temperature=0), ask(server, temperature=1)] == ["cold", "hot"]
    with recorded(RecordMode.NONE, tests, None) as server:
        assert [ask(server, temperature=1), ask(server, temperature=0)] == ["hot", "cold"]


def test_equal_requests_get_their_answers_in_turn_and_then_the_last_again(tests: Path) -> None:
    with fake_server(["one", "two"]) as real, recorded(RecordMode.ONCE, tests, real) as server:
        assert [ask(server), ask(server)] == ["one", "two"]
    with recorded(RecordMode.NONE, tests, None) as server:
        assert [ask(server), ask(server), ask(server)] == ["one", "two", "two"]


def test_a_second_test_with_the_same_request_gets_the_same_answer(tests: Path) -> None:
    recorder = Recorder(RecordMode.ONCE)
    with fake_server(["one", "two"]) as real:
        recorder.begin(tests)
        with RecordedServer("tiny", recorder, lambda: real) as server:
            first = ask(server)
            recorder.begin(tests)
            second = ask(server)

    assert (first, second) == ("one", "one")


def test_all_asks_everything_anew_and_replaces_it(tests: Path) -> None:
    with fake_server(["old", "new"]) as real:
        with recorded(RecordMode.ONCE, tests, real) as server:
            ask(server)
        with recorded(RecordMode.ALL, tests, real) as server:
            assert ask(server) == "new"
    with recorded(RecordMode.NONE, tests, None) as server:
        assert ask(server) == "new"


def test_a_request_that_is_not_recorded_fails_and_is_told_of(tests: Path) -> None:
    with fake_server() as real, recorded(RecordMode.ONCE, tests, real) as server:
        ask(server)
    recorder = Recorder(RecordMode.NONE)
    recorder.begin(tests)
    with (
        RecordedServer("tiny:latest", recorder, lambda: pytest.fail("started")) as server,
        pytest.raises(RequestFailed, match=r"\('Ho'\) is not recorded in .*test_it.json") as e,
    ):
        ask(server, "Ho")

    assert e.value.status == 404
    assert len(recorder.recording().misses) == 1


def test_a_model_that_is_not_recorded_is_not_started_in_a_run_without_models(tests: Path) -> None:
    with (
        pytest.raises(NotRecorded, match="nothing of tiny:latest is recorded"),
        recorded(RecordMode.NONE, tests, None),
    ):
        pass


def test_a_model_that_cannot_be_started_is_told_to_the_client(tests: Path) -> None:
    with fake_server() as real, recorded(RecordMode.ONCE, tests, real) as server:
        ask(server)
    recorder = Recorder(RecordMode.ONCE)
    recorder.begin(tests)

    def start() -> ServedModel:
        raise RamalamaError("no engine answers")  # noqa: EM101, TRY003

    with RecordedServer("tiny:latest", recorder, start) as server:
        assert ask(server) == "Hello!"
        with pytest.raises(RequestFailed, match="no engine answers"):
            ask(server, "something else")

    assert recorder.recording().misses == ["no engine answers"]


def test_whole_answers_embeddings_and_failures_are_replayed_as_they_came(tests: Path) -> None:
    def use(server: ServedModel) -> object:
        client = server.client()
        whole = client.chat.completions.create(
            model=server.model, messages=[{"role": "user", "content": "Hi"}]
        )
        vector = client.embeddings.create(model=server.model, input="a red cat").data[0].embedding
        with pytest.raises(openai.APIStatusError) as info:
            client.chat.completions.create(
                model=server.model, messages=[{"role": "user", "content": "Fail"}]
            )
        return whole.choices[0].message.content, vector, info.value.status_code

    answers = {"Hi": "Hello", "Fail": Reply.failure(418, "teapot")}
    with fake_server(answers) as real, recorded(RecordMode.ONCE, tests, real) as server:
        live = use(server)
    with recorded(RecordMode.NONE, tests, None) as server:
        assert use(server) == live


def test_an_answer_that_the_client_breaks_off_is_recorded_as_far_as_it_came(tests: Path) -> None:
    with (
        fake_server(Reply("one two three", pace=0.2)) as real,
        recorded(RecordMode.ONCE, tests, real) as server,
    ):
        answer = server.chat().ask("Hi")
        assert next(answer) == "one"
        answer.close()
        # The server notices it at the next word.
        deadline = time.monotonic() + 10
        while not real.questions[0].cancelled and time.monotonic() < deadline:
            time.sleep(0.01)
    with recorded(RecordMode.NONE, tests, None) as server:
        answer = server.chat().ask("Hi")
        assert next(answer) == "one"
        answer.close()
        with pytest.raises(ServerGone):
            ask(server)


def test_an_answer_that_a_dying_server_breaks_off_is_not_recorded(tests: Path) -> None:
    with fake_server([Reply.death(after="I was"), "fine"]) as real:
        with recorded(RecordMode.ONCE, tests, real) as server, pytest.raises(ServerGone):
            ask(server)
        with recorded(RecordMode.ONCE, tests, real) as server:
            assert ask(server) == "fine"


def test_a_recording_can_be_read_and_has_no_headers(tests: Path) -> None:
    with (
        fake_server("Hello there", model="tiny") as real,
        recorded(RecordMode.ONCE, tests, real) as server,
    ):
        ask(server)

    content = file_of(tests).read_text(encoding="utf-8")
    written = json.loads(content)
    assert written["models"] == {"tiny:latest": {"name": "tiny"}}
    (exchange,) = written["exchanges"]
    assert exchange["request"]["path"] == "/v1/chat/completions"
    assert exchange["request"]["json"]["messages"] == [{"role": "user", "content": "Hi"}]
    (answer,) = exchange["answers"]
    assert answer["events"][-1] == "data: [DONE]"
    assert "bearer" not in content.lower()
    assert "authorization" not in content.lower()


def test_a_recording_has_the_permissions_of_an_ordinary_file(tests: Path) -> None:
    umask = os.umask(0o022)
    try:
        with fake_server() as real, recorded(RecordMode.ONCE, tests, real) as server:
            ask(server)
    finally:
        os.umask(umask)

    assert file_of(tests).stat().st_mode & 0o777 == 0o644
    assert [file.name for file in file_of(tests).parent.iterdir()] == ["test_it.json"]


def test_two_processes_record_into_one_file(tests: Path) -> None:
    with (
        fake_server({"Hi": "hi", "Ho": "ho"}) as real,
        recorded(RecordMode.ONCE, tests, real) as one,
    ):
        with recorded(RecordMode.ONCE, tests, real) as other:
            ask(other, "Ho")
        ask(one, "Hi")
    with recorded(RecordMode.NONE, tests, None) as server:
        assert [ask(server, "Hi"), ask(server, "Ho")] == ["hi", "ho"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "is not valid JSON"),
        ("[]", "is no recording of version 1"),
        ('{"version": 2}', "is no recording of version 1"),
        ('{"version": 1, "exchanges": [{"request": {}}]}', 'an exchange without "request"'),
        (
            '{"version": 1, "exchanges": [{"request": {}, "answers": [{}]}]}',
            'an answer without "status"',
        ),
    ],
)
def test_a_file_that_is_no_recording_is_refused(tmp_path: Path, content: str, problem: str) -> None:
    file = tmp_path / "test_it.json"
    file.write_text(content, encoding="utf-8")

    with pytest.raises(ConfigError, match=problem):
        Recording(file, mode=RecordMode.ONCE)


@pytest.mark.parametrize(
    ("model", "label"),
    [
        ("smollm2:135m", "smollm2:135m"),
        ("hf://org/repo/file.gguf", "hf://org/repo/file.gguf"),
        ("/home/me/tiny.gguf", "tiny.gguf"),
        ("./tiny.gguf", "tiny.gguf"),
        (Path("models/tiny.gguf"), "tiny.gguf"),
    ],
)
def test_a_file_of_a_model_is_called_the_same_on_every_machine(
    model: str | Path, label: str
) -> None:
    assert label_of(model) == label


def test_a_conversation_begins_as_the_authors_of_the_model_want_it(tests: Path) -> None:
    class Authored(FakeServer):
        def _opening(self, system: str | None) -> Opening:
            return {"system": system or "Be nice.", "opening": [("user", "Hey")], "stop": ["\n\n"]}

    api = FakeApi("Hello!", model="tiny", context_size=None, embed=None)
    with Authored(api, model="tiny") as real:
        with recorded(RecordMode.ONCE, tests, real) as server:
            ask(server)
        (question,) = real.questions
    with recorded(RecordMode.NONE, tests, None) as server:
        assert ask(server) == "Hello!"

    assert [message["content"] for message in question.messages] == ["Be nice.", "Hey", "Hi"]
    assert question.body["stop"] == ["\n\n"]
