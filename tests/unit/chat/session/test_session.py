import gc
import json
import socket
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest

from ramalama_chat import (
    ChatError,
    ChatSession,
    ContextExceeded,
    Exchange,
    RequestFailed,
    ServerGone,
    TcpEndpoint,
    UnixEndpoint,
    Usage,
    open_client,
)
from tests.unit.chat.scripted_server import (
    Script,
    answer_json,
    chunk,
    endless,
    event,
    refusal,
    stream,
    words,
)


def test_an_answer_comes_in_the_pieces_that_the_server_sends(
    script: Script, session: ChatSession
) -> None:
    script.add(words("Hel", "lo", "."))

    assert list(session.ask("Hi")) == ["Hel", "lo", "."]
    assert session.finish_reason == "stop"


def test_the_next_request_carries_what_was_said(script: Script, session: ChatSession) -> None:
    script.add(words("Hello."), words("Bye."))

    list(session.ask("Hi"))
    list(session.ask("Ciao"))

    assert script.requests[1].path == "/v1/chat/completions"
    assert script.requests[1].body == {
        "model": "smollm2",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "Ciao"},
        ],
    }


def test_an_opening_and_the_texts_that_end_an_answer_are_sent_along(
    script: Script, tmp_path: Path
) -> None:
    script.add(words("4"))
    opening = (("user", "2+2?"), ("assistant", "4"))
    with open_client(UnixEndpoint(str(tmp_path / "s.sock"))) as client:
        session = ChatSession(client, model="smollm2", opening=opening, stop=("<|end|>",))

        list(session.ask("3+1?"))

    assert script.requests[0].body == {
        "model": "smollm2",
        "stream": True,
        "stream_options": {"include_usage": True},
        "stop": ["<|end|>"],
        "messages": [
            {"role": "user", "content": "2+2?"},
            {"role": "assistant", "content": "4"},
            {"role": "user", "content": "3+1?"},
        ],
    }


def test_nothing_is_said_twice_after_clear(script: Script, session: ChatSession) -> None:
    script.add(words("Hello."), words("Bye."))

    list(session.ask("Hi"))
    session.clear()
    list(session.ask("Ciao"))

    assert [exchange.prompt for exchange in session.conversation.exchanges] == ["Ciao"]


def test_closing_an_answer_stops_the_server_and_keeps_what_was_heard(
    script: Script, session: ChatSession
) -> None:
    script.add(endless("ha"))

    with closing(session.ask("Laugh")) as answer:
        heard = list(islice(answer, 3))

    assert heard == ["ha", "ha", "ha"]
    assert script.client_left.wait(10)
    assert session.conversation.exchanges == (Exchange("Laugh", "hahaha"),)


def test_an_answer_stopped_before_its_first_word_leaves_no_prompt_behind(
    script: Script, session: ChatSession
) -> None:
    script.add(stream(event(None, reasoning_content="Hm."), end=b"", whole=False))

    def interrupt(_thought: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(session.ask("Hi", on_reasoning=interrupt))

    assert session.conversation.exchanges == ()


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_is_told_apart_from_the_answer(
    script: Script, session: ChatSession, name: str
) -> None:
    thought = {name: "Let me see."}
    script.add(stream(event(None, **thought), event("42"), event(None, finish="stop")))
    thoughts: list[str] = []

    assert list(session.ask("6 x 7?", on_reasoning=thoughts.append)) == ["42"]
    assert thoughts == ["Let me see."]
    assert session.conversation.exchanges == (Exchange("6 x 7?", "42"),)


def test_events_without_text_are_passed_over(script: Script, session: ChatSession) -> None:
    script.add(
        stream(
            event(None, role="assistant", content=None),
            b": a comment\n\n",
            event("Yes"),
            event(None, finish="length"),
            {"choices": [], "usage": {"total_tokens": 3}},
        )
    )

    assert list(session.ask("Hi")) == ["Yes"]
    assert session.finish_reason == "length"


def test_null_adds_nothing(script: Script, session: ChatSession) -> None:
    script.add(
        stream(
            {"choices": None},
            {"choices": [{"index": 0, "delta": None}]},
            event("Yes"),
            {"choices": [{"index": 0, "finish_reason": "stop"}]},
            {"choices": None, "usage": {"prompt_tokens": 1, "completion_tokens": 2}},
        )
    )

    assert list(session.ask("Hi")) == ["Yes"]
    assert session.usage == Usage(prompt_tokens=1, completion_tokens=2)


@pytest.mark.parametrize(
    ("reason", "told"), [("stop", "stop"), ("length", "length"), (None, "stop")]
)
def test_a_whole_answer_is_taken_from_a_server_that_does_not_stream(
    script: Script, session: ChatSession, reason: str | None, told: str
) -> None:
    message = {"role": "assistant", "content": "42", "reasoning_content": "Hm."}
    usage = {"prompt_tokens": 1, "completion_tokens": 2}
    choice = {"index": 0, "message": message, "finish_reason": reason}
    script.add(answer_json({"choices": [choice], "usage": usage}))
    thoughts: list[str] = []

    assert list(session.ask("6 x 7?", on_reasoning=thoughts.append)) == ["42"]
    assert (thoughts, session.finish_reason) == (["Hm."], told)
    assert session.usage == Usage(prompt_tokens=1, completion_tokens=2)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
def test_events_may_come_in_any_pieces_and_have_any_line_ends(
    script: Script, session: ChatSession, end: str, size: int
) -> None:
    events = [json.dumps(each) for each in (event("a\u2028"), event("b"), event("", finish="stop"))]
    lines = [
        "\ufeff: hello",
        "",
        *(
            f"event: message{end}data: {each[:12]}{end}data:{each[12:]}{end}id: 1"
            for each in events
        ),
    ]
    content = (end * 2).join([*lines, "data: [DONE]"]).encode()
    pieces = [content[start : start + size] for start in range(0, len(content), size)]
    script.add([*stream(end=b"", whole=False), *map(chunk, pieces), b"0\r\n\r\n"])

    assert "".join(session.ask("Hi")) == "a\u2028b"


BUSY = refusal(503, '{"error": {"message": "Loading model", "code": 503}}')
FULL = {
    "error": {
        "code": 400,
        "message": "request (5031 tokens) exceeds the available context size (2048 tokens)",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": 5031,
        "n_ctx": 2048,
    }
}
VLLM_FULL = {
    "error": {
        "message": "This model's maximum context length is 2048 tokens. However, you requested "
        "5031 tokens. Please reduce the length of the messages.",
        "type": "BadRequestError",
        "code": 400,
    }
}


@pytest.mark.parametrize("busy", [BUSY, refusal(429, "")], ids=["503", "429"])
def test_a_server_that_is_still_busy_is_asked_again(
    script: Script, session: ChatSession, busy: list[bytes]
) -> None:
    script.add(busy, busy, words("Here."))

    assert list(session.ask("Hi")) == ["Here."]
    assert len(script.requests) == 3


def test_a_server_that_loads_its_model_is_waited_for_and_the_user_is_told(
    script: Script, session: ChatSession
) -> None:
    script.add(*[BUSY] * 6, words("Here."))
    told: list[str] = []
    session.on_wait = told.append

    assert list(session.ask("Hi")) == ["Here."]
    assert told == ["Loading the model \N{HORIZONTAL ELLIPSIS}"] * 5 + [""]


def test_what_is_set_is_sent_and_what_the_answer_took_is_known(
    script: Script, session: ChatSession
) -> None:
    usage = {"choices": list[object](), "usage": {"prompt_tokens": 9, "completion_tokens": 2}}
    script.add(stream(event("Yes"), event(None, finish="stop"), usage))
    session.parameters.update(temperature=0.5)
    session.counting = True

    list(session.ask("Hi", images=["data:image/png;base64,"]))

    assert session.usage == Usage(prompt_tokens=9, completion_tokens=2)
    body = script.requests[0].body
    assert body["temperature"] == 0.5
    assert body["stream_options"] == {"include_usage": True}
    assert session.conversation.exchanges == (Exchange("Hi", "Yes", ("data:image/png;base64,",)),)


@pytest.mark.parametrize(
    ("entry", "size"),
    [
        ({"id": "smollm2", "max_model_len": 2048}, 2048),
        ({"id": "smollm2", "meta": {"n_ctx": 256}}, 256),
        ({"id": "smollm2", "meta": {"n_ctx": "many"}}, None),
        ({"id": "smollm2", "meta": {"n_ctx": True}}, None),
        ({"id": "smollm2", "max_model_len": -1}, None),
        ({"id": "smollm2", "max_model_len": 10**400}, None),
        ({"id": "smollm2"}, None),
        ({"id": "another", "max_model_len": 2048}, None),
        ("nonsense", None),
    ],
)
def test_a_server_is_asked_for_the_size_of_its_context(
    script: Script, session: ChatSession, entry: object, size: int | None
) -> None:
    script.add(answer_json({"data": [entry]}))

    assert session.context_size() == size


@pytest.mark.parametrize("answer", [b"", b"1" * 100_000, b"[" * 200_000])
def test_an_answer_that_is_no_json_tells_no_size_of_the_context(
    script: Script, session: ChatSession, answer: bytes
) -> None:
    script.add(answer_json(answer))

    assert session.context_size() is None


@pytest.mark.parametrize("absurd", [10**400, -1, True, "many", None])
def test_absurd_numbers_in_what_an_answer_took_are_left_out(
    script: Script, session: ChatSession, absurd: object
) -> None:
    counts: dict[str, object] = {"prompt_tokens": 9, "completion_tokens": 2}
    timings = {"prompt_ms": absurd, "predicted_per_second": absurd, "predicted_ms": 100.0}
    known: dict[str, object] = {"choices": list[object](), "usage": counts, "timings": timings}
    unknown = {**known, "usage": {**counts, "prompt_tokens": absurd}}
    script.add(
        stream(event("Yes"), event(None, finish="stop"), known),
        stream(event("Yes"), event(None, finish="stop"), unknown),
    )
    session.counting = True

    list(session.ask("Hi"))
    assert session.usage is not None
    assert session.usage.describe() == "prompt 9 tokens, answer 2 tokens in 0.10 s"
    list(session.ask("Hi"))
    assert session.usage is None


def test_a_server_that_knows_no_models_has_a_context_of_unknown_size(
    script: Script, session: ChatSession
) -> None:
    script.add(refusal(404, ""))

    assert session.context_size() is None


def test_a_server_that_stays_busy_is_not_asked_for_ever(
    script: Script, session: ChatSession
) -> None:
    script.add(*[refusal(503, '{"error": "no slot"}')] * 20)

    with pytest.raises(RequestFailed, match=r"HTTP 503.*no slot") as failure:
        list(session.ask("Hi"))

    assert failure.value.status == 503
    assert 1 < len(script.requests) < 10


# httpcore2 2.16 leaves a UNIX socket that it could not connect to the garbage collector, which
# complains: let it do so here and not in the middle of another test.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_no_server_at_all_is_a_server_gone(session: ChatSession) -> None:
    with pytest.raises(ServerGone, match="cannot be reached"):
        list(session.ask("Hi"))

    gc.collect()


def test_a_closed_port_is_a_server_gone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]

    with open_client(TcpEndpoint("127.0.0.1", port)) as client:
        session = ChatSession(client, model="smollm2")
        with pytest.raises(ServerGone, match="cannot be reached"):
            list(session.ask("Hi"))


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        pytest.param(
            refusal(400, json.dumps(FULL)),
            ContextExceeded,
            r"takes 5031 tokens, and the model's context holds 2048",
            id="llama-server-counts-the-context",
        ),
        pytest.param(
            refusal(400, json.dumps(VLLM_FULL)),
            ContextExceeded,
            r"maximum context length is 2048 tokens.*requested 5031",
            id="vllm-says-so-in-words",
        ),
        pytest.param(
            refusal(500, '{"error": {"message": "line\\none\\u001b[31m and two"}}'),
            RequestFailed,
            r"^the server refused the request \(HTTP 500\): line one\\x1b\[31m and two$",
            id="a-refusal-is-one-printable-line",
        ),
        pytest.param(
            refusal(404, "<html>nothing here"),
            RequestFailed,
            r"\(HTTP 404\): <html>nothing here$",
            id="a-refusal-without-json",
        ),
        pytest.param(refusal(502, ""), RequestFailed, r"without a reason$", id="a-mute-refusal"),
        pytest.param(
            [b"HTTP/1.1 307 No\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"],
            RequestFailed,
            "HTTP 307",
            id="redirects-are-not-followed",
        ),
        pytest.param(
            [b""], ServerGone, "the server closed the connection", id="gone-without-an-answer"
        ),
        pytest.param(
            [b"HTTP/1.1 200 OK\r\nA: " + b"a" * 200_000], ServerGone, "not HTTP", id="a-huge-header"
        ),
        pytest.param(
            stream(event("He"), end=b"", whole=False),
            ServerGone,
            "went away",
            id="cut-in-an-answer",
        ),
        pytest.param(
            [*stream(event("He"), end=b"", whole=False), b"no chunk\r\n"],
            ServerGone,
            "went away",
            id="no-http-in-an-answer",
        ),
        pytest.param(
            stream(event("He")),
            ServerGone,
            "in the middle of its answer",
            id="ended-without-a-reason",
        ),
        pytest.param(
            stream(event("He"), {"error": {"message": "slot failed", "code": 500}}),
            RequestFailed,
            "failed in the middle of its answer: slot failed",
            id="an-error-in-mid-answer",
        ),
        pytest.param(
            answer_json({"error": {"message": "no such model", "code": 404}}),
            RequestFailed,
            r"^the server refused the request: no such model$",
            id="an-error-in-place-of-a-stream",
        ),
        pytest.param(
            answer_json({"error": "no such model"}),
            RequestFailed,
            r"^the server refused the request: no such model$",
            id="a-text-in-place-of-a-stream",
        ),
        pytest.param(
            answer_json(FULL), ContextExceeded, "takes 5031 tokens", id="a-full-context-with-200"
        ),
        pytest.param(
            stream(event("He"), {"error": "slot\x1b failed"}),
            RequestFailed,
            r"failed in the middle of its answer: slot\\x1b failed$",
            id="an-error-as-text-in-mid-answer",
        ),
        pytest.param(
            stream(event("He"), b'event: error\ndata: {"detail": [{"msg": "slot failed"}]}\n\n'),
            RequestFailed,
            "failed in the middle of its answer: slot failed$",
            id="an-error-event",
        ),
        pytest.param(
            stream(b"event: error\r\ndata: slot failed\r\n\r\n"),
            RequestFailed,
            "refused the request: slot failed$",
            id="an-error-event-without-json",
        ),
        pytest.param(
            stream(event("He"), b'error: {"code": 500, "message": "slot failed"}\n\n'),
            RequestFailed,
            "failed in the middle of its answer: slot failed$",
            id="an-error-line-of-old-llama-servers",
        ),
        pytest.param(
            stream(event("He"), {"error": {"code": 7}}),
            RequestFailed,
            r"failed in the middle of its answer: \{'code': 7\}$",
            id="an-error-without-words",
        ),
        pytest.param(
            answer_json(b"<!doctype html><HTML><Title>\nSign in</Title>"),
            RequestFailed,
            "a web page instead of an answer: Sign in; is it a model server",
            id="a-page",
        ),
        pytest.param(
            refusal(502, "<html><head><title>502 Bad Gateway</title>"),
            RequestFailed,
            r"\(HTTP 502\): 502 Bad Gateway$",
            id="a-page-that-refuses",
        ),
        pytest.param(
            refusal(422, '{"detail": [{"loc": ["body"], "msg": "field required"}]}'),
            RequestFailed,
            r"\(HTTP 422\): field required$",
            id="a-refusal-of-fastapi",
        ),
        pytest.param(
            refusal(400, '{"error": "no such model"}'),
            RequestFailed,
            r"\(HTTP 400\): no such model$",
            id="a-refusal-as-text",
        ),
        pytest.param(
            answer_json(b"upstream timed out\n"),
            ChatError,
            "not part of a chat answer: upstream timed out$",
            id="plain-text",
        ),
        pytest.param(stream(b"data: {oops\n\n"), ChatError, "not JSON", id="garbage"),
        pytest.param(stream(b"data: \xff\xfe\n\n"), ChatError, "not JSON", id="no-utf-8"),
        pytest.param(
            stream(b"data: " + b"[" * 100_000 + b"\n\n"),
            ChatError,
            "not JSON",
            id="a-mile-of-brackets",
        ),
        pytest.param(
            stream(b"data: " + b"1" * 5_000 + b"\n\n"), ChatError, "not JSON", id="a-mile-of-digits"
        ),
        pytest.param(stream(["He"]), ChatError, "not part of a chat answer", id="a-list"),
        pytest.param(
            stream({"choices": "He"}), ChatError, "not part of a chat", id="other-choices"
        ),
        pytest.param(
            stream({"choices": [{"delta": ["He"]}]}), ChatError, "not part of a chat", id="no-delta"
        ),
        pytest.param(stream(event(None, content=7)), ChatError, "int where text", id="a-number"),
    ],
)
def test_a_failed_request_raises_one_line_and_leaves_the_conversation_alone(
    script: Script, session: ChatSession, answer: list[bytes], error: type[ChatError], message: str
) -> None:
    script.add(words("Hello."), answer)
    list(session.ask("Hi"))

    with pytest.raises(error, match=message) as failure:
        list(session.ask("Go on"))

    assert "\n" not in str(failure.value)
    assert session.conversation.exchanges == (Exchange("Hi", "Hello."),)
    assert len(script.requests) == 2, "a request that may have begun is never sent twice"


def test_half_characters_and_odd_bytes_are_sent_as_something_readable(
    script: Script, session: ChatSession
) -> None:
    script.add(words("Yes."))

    list(session.ask("\udcff \ud83d\ude00 \ud83d"))

    messages = script.requests[0].body["messages"]
    assert isinstance(messages, list)
    assert messages[-1] == {"role": "user", "content": "\ufffd \U0001f600 \ufffd"}


LOST_AT_ONCE = [b""]
LOST_IN_MID_ANSWER = stream(event("He"), end=b"", whole=False)


def test_a_request_whose_connection_is_lost_before_the_answer_is_sent_once_more(
    script: Script, session: ChatSession
) -> None:
    script.add(LOST_AT_ONCE, words("Hello."))
    session.repeats = True
    told: list[int] = []
    session.on_repeat = lambda: told.append(len(script.requests))

    assert list(session.ask("Hi")) == ["Hello."]
    assert len(script.requests) == 2
    assert told == [1]


@pytest.mark.parametrize(
    ("repeats", "lost", "requests"),
    [(False, LOST_AT_ONCE, 1), (True, LOST_IN_MID_ANSWER, 1)],
    ids=["not-asked-to", "some-of-it-came"],
)
def test_no_other_request_is_sent_again(
    script: Script, session: ChatSession, *, repeats: bool, lost: list[bytes], requests: int
) -> None:
    script.add(lost, words("Hello."))
    session.repeats = repeats

    with pytest.raises(ServerGone):
        list(session.ask("Hi"))

    assert len(script.requests) == requests
