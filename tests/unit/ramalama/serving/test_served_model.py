"""What a program asks a server by `ServedModel`, blocking and in asyncio alike."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import socket
import threading
import time
from array import array
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, cast

import pytest

import ramalama
from ramalama.errors import EmbeddingFailed, OptionRefused
from ramalama.serving.served_model import ServedModel
from ramalama_chat.client.client import open_client
from ramalama_chat.client.endpoint import TcpEndpoint
from ramalama_chat.errors import ChatError, InputRefused, RequestFailed, ServerGone, ServerSilent
from tests.doubles.server import FileServer, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
    from typing import Literal, TypeVar

    import openai

    from ramalama.serving.queries.health import ServerHealth
    from ramalama_chat.client.endpoint import Endpoint
    from tests.doubles.server import Request, Route

    Color = Literal["blocking", "asyncio"]
    T = TypeVar("T")

LLAMA_METRICS = """\
# HELP llamacpp:requests_processing Number of requests processing.
llamacpp:requests_processing 1
llamacpp:requests_deferred 3
llamacpp:tokens_predicted_total 300
llamacpp:tokens_predicted_seconds_total 10
"""
VLLM_METRICS = """\
vllm:num_requests_running{engine="0",model_name="a b"} 2.0
vllm:num_requests_running{engine="1",model_name="a b"} 1.0
vllm:num_requests_waiting{engine="0"} 4.0
vllm:generation_tokens_total{engine="0"} 50.0
vllm:request_decode_time_seconds_bucket{engine="0",le="0.3"} 7.0
vllm:request_decode_time_seconds_sum{engine="0"} 2.0
"""


def says(text: str) -> Route:
    return lambda _: Reply(body=text.encode())


def refuses(status: int) -> Route:
    return lambda _: Reply.of_json({"error": {"message": "no", "code": status}}, status=status)


def slots(*states: str) -> Route:
    return lambda _: Reply.of_json([{"is_processing": each == "busy"} for each in states])


def words(text: object) -> list[str]:
    assert isinstance(text, str)
    return text.split()


def llama_tokens(request: Request) -> Reply:
    asked = json.loads(request.body)
    ends = ["<s>"] if asked["add_special"] else []
    return Reply.of_json({"tokens": [*ends, *words(asked["content"])]})


def vllm_tokens(request: Request) -> Reply:
    asked = json.loads(request.body)
    if "messages" in asked:
        assert asked["model"] == "granite"
        return Reply.of_json({"count": 40})
    return Reply.of_json({"count": len(words(asked["prompt"])), "max_model_len": 99})


def template(request: Request) -> Reply:
    messages = json.loads(request.body)["messages"]
    return Reply.of_json({"prompt": " ".join(["user", *(each["content"] for each in messages)])})


def vectors(request: Request) -> Reply:
    texts = json.loads(request.body)["input"]
    data = [
        {"index": number, "embedding": base64.b64encode(array("f", [len(text), 1.0])).decode()}
        for number, text in enumerate(texts)
    ]
    return Reply.of_json({"data": data[::-1]})


class Asker:
    """Asks in one of the two colours."""

    def __init__(self, served: ServedModel, *, color: Color) -> None:
        self._served = served
        self._async = color == "asyncio"

    def health(self, timeout: float = 5.0) -> ServerHealth:
        if self._async:
            return self._run(lambda each: each.ahealth(timeout=timeout))
        return self._served.health(timeout=timeout)

    def metrics(self) -> Mapping[str, float]:
        return self._run(ServedModel.ametrics) if self._async else self._served.metrics()

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        if self._async:
            return self._run(lambda each: each.aembed(texts))
        return self._served.embed(texts)

    def count(self, content: str | Sequence[Mapping[str, object]]) -> int:
        if self._async:
            return self._run(lambda each: each.acount_tokens(content))
        return self._served.count_tokens(content)

    def _run(self, ask: Callable[[ServedModel], Coroutine[object, object, T]]) -> T:
        async def main() -> T:
            async with self._served as served:
                return await ask(served)

        return asyncio.run(main())


@contextmanager
def served_by(routes: Mapping[str, Route]) -> Generator[tuple[FileServer, ServedModel]]:
    with FileServer(routes) as server:
        endpoint = TcpEndpoint("127.0.0.1", server.port, "key")
        with ServedModel(endpoint, model="granite") as served:
            yield server, served


@contextmanager
def asking(routes: Mapping[str, Route], *, color: Color) -> Generator[Asker]:
    with served_by(routes) as (_, served):
        yield Asker(served, color=color)


@pytest.fixture(params=["blocking", "asyncio"])
def color(request: pytest.FixtureRequest) -> Color:
    return cast("Color", request.param)


@pytest.mark.parametrize(
    ("routes", "health"),
    [
        pytest.param(
            {
                "/health": says("ok"),
                "/slots": slots("busy", "idle"),
                "/metrics": says(LLAMA_METRICS),
            },
            ramalama.ServerHealth(ready=True, busy=1, slots=2, queued=3, tokens_per_second=30.0),
            id="llama-server",
        ),
        pytest.param(
            {"/health": says(""), "/metrics": says(VLLM_METRICS)},
            ramalama.ServerHealth(ready=True, busy=3, queued=4, tokens_per_second=25.0),
            id="vllm",
        ),
        pytest.param(
            {"/health": says("ok"), "/slots": refuses(501), "/metrics": refuses(501)},
            ramalama.ServerHealth(ready=True),
            id="it does not say",
        ),
        pytest.param(
            {"/v1/models": says("{}")}, ramalama.ServerHealth(ready=True), id="only models"
        ),
        pytest.param(
            {"/health": refuses(503), "/v1/models": says("{}")},
            ramalama.ServerHealth(ready=False),
            id="it loads the model",
        ),
        pytest.param({}, ramalama.ServerHealth(ready=False), id="no model server"),
        pytest.param(
            {
                "/health": says("ok"),
                "/slots": says('[{"is_processing": 1}, {}]'),
                "/metrics": says("a b\nllamacpp:requests_deferred NaN\n{} 1\n\xff"),
            },
            ramalama.ServerHealth(ready=True),
            id="nonsense",
        ),
    ],
)
def test_the_health_of_a_server_is_what_it_says(
    routes: Mapping[str, Route], health: ServerHealth, color: Color
) -> None:
    with asking(routes, color=color) as asker:
        assert asker.health() == health


def test_a_server_that_is_gone_is_not_ready(color: Color) -> None:
    with FileServer() as server:
        port = server.port
    served = ServedModel(TcpEndpoint("127.0.0.1", port), model="granite")

    assert Asker(served, color=color).health() == ramalama.ServerHealth(ready=False)


def test_a_server_that_hangs_is_not_ready_when_the_time_is_over(color: Color) -> None:
    hangs: dict[str, Route] = {"/health": lambda _: Reply(body=b"ok", stall_after=1)}
    with asking(hangs, color=color) as asker:
        assert asker.health(timeout=0.3) == ramalama.ServerHealth(ready=False)


def test_what_takes_too_long_is_not_known(color: Color) -> None:
    routes: dict[str, Route] = {
        "/health": says("ok"),
        "/slots": lambda _: Reply(body=b"[]", stall_after=1),
        "/metrics": says(LLAMA_METRICS),
    }
    with asking(routes, color=color) as asker:
        assert asker.health(timeout=0.3) == ramalama.ServerHealth(ready=True)


def test_metrics_have_names_and_values(color: Color) -> None:
    with asking({"/metrics": says(VLLM_METRICS)}, color=color) as asker:
        assert asker.metrics() == {
            "vllm:num_requests_running": 3.0,
            "vllm:num_requests_waiting": 4.0,
            "vllm:generation_tokens_total": 50.0,
            "vllm:request_decode_time_seconds_sum": 2.0,
        }


def test_a_server_without_metrics_has_none(color: Color) -> None:
    with asking({"/metrics": refuses(501)}, color=color) as asker:
        assert asker.metrics() == {}


def test_a_wrong_key_is_an_error_and_not_a_lack_of_metrics(color: Color) -> None:
    with (
        asking({"/metrics": refuses(401)}, color=color) as asker,
        pytest.raises(RequestFailed, match="HTTP 401"),
    ):
        asker.metrics()


@pytest.mark.parametrize(
    ("routes", "of_messages"),
    [
        ({"/tokenize": llama_tokens, "/apply-template": template}, 5),
        ({"/tokenize": vllm_tokens}, 40),
    ],
    ids=["llama-server", "vllm"],
)
def test_tokens_of_texts_and_of_messages_are_counted(
    routes: Mapping[str, Route], of_messages: int, color: Color
) -> None:
    with asking(routes, color=color) as asker:
        assert asker.count("why is it so?") == 4
    with asking(routes, color=color) as asker:
        assert asker.count([{"role": "user", "content": "hello to you"}]) == of_messages


@pytest.mark.parametrize("content", ["a b", [{"role": "user", "content": "a"}]])
def test_a_server_that_does_not_count_tokens_says_so(
    content: str | Sequence[Mapping[str, object]], color: Color
) -> None:
    with (
        asking({}, color=color) as asker,
        pytest.raises(RequestFailed, match="does not count tokens"),
    ):
        asker.count(content)


@pytest.mark.parametrize("answer", ["{}", "[]", '{"tokens": 3}', "nonsense"])
def test_an_answer_that_is_no_number_of_tokens_is_an_error(answer: str, color: Color) -> None:
    with asking({"/tokenize": says(answer)}, color=color) as asker, pytest.raises(ChatError):
        asker.count("a b")


def test_vectors_have_the_order_of_their_texts_however_many_there_are(color: Color) -> None:
    texts = ["x" * number for number in range(150)]

    with served_by({"/v1/embeddings": vectors}) as (server, served):
        made = Asker(served, color=color).embed(texts)

    assert made == [[float(number), 1.0] for number in range(150)]
    assert len(server.requests) == 3


def test_no_text_has_no_vector(color: Color) -> None:
    with asking({}, color=color) as asker:
        assert asker.embed([]) == []


@pytest.mark.parametrize("texts", ["a text", b"a", None, 3, [3], ["a", None]])
def test_what_is_no_list_of_texts_gets_no_vectors(texts: object) -> None:
    served = ServedModel(TcpEndpoint("127.0.0.1", 9), model="m")
    embed = cast("Callable[[object], object]", served.embed)
    with served, pytest.raises(InputRefused, match="texts must be a list of texts, not "):
        embed(texts)


@pytest.mark.parametrize("content", [None, 3, ["Hi"], [None]])
def test_what_is_neither_a_text_nor_messages_is_not_counted(content: object) -> None:
    served = ServedModel(TcpEndpoint("127.0.0.1", 9), model="m")
    count = cast("Callable[[object], object]", served.count_tokens)
    with served, pytest.raises(InputRefused, match="content must be a text or a list of messages"):
        count(content)


def test_a_closed_server_object_says_so() -> None:
    served = ServedModel(TcpEndpoint("127.0.0.1", 9), model="m")
    chat, client = served.chat(), served.client()
    served.close()
    with pytest.raises(ServerGone, match="is closed"):
        chat.ask("Hi").read()
    with pytest.raises(ServerGone, match="is closed"):
        served.metrics()
    with pytest.raises(ServerGone, match="is closed"), ramalama.chat_errors():
        client.models.list()


def test_other_vectors_than_those_of_the_texts_are_an_error(color: Color) -> None:
    with (
        asking({"/v1/embeddings": says('{"data": []}')}, color=color) as asker,
        pytest.raises(EmbeddingFailed, match="0 vectors for 1 texts"),
    ):
        asker.embed(["a"])


def test_a_server_that_refuses_a_text_is_an_error(color: Color) -> None:
    with (
        asking({"/v1/embeddings": refuses(500)}, color=color) as asker,
        pytest.raises(RequestFailed, match="HTTP 500"),
    ):
        asker.embed(["a"])


def test_each_event_loop_has_a_client_of_its_own() -> None:
    with served_by({}) as (_, served):

        async def clients() -> tuple[openai.AsyncOpenAI, openai.AsyncOpenAI]:
            return served.async_client(), served.async_client()

        first, again = asyncio.run(clients())
        second, _ = asyncio.run(clients())

    assert first is again
    assert first is not second


def test_two_loops_in_two_threads_ask_at_once() -> None:
    at_once = threading.Barrier(2, timeout=10)

    def answer(_request: Request) -> Reply:
        at_once.wait()
        return Reply(body=b"ok")

    with served_by({"/health": answer}) as (_, served):
        found: list[bool] = []
        threads = [
            threading.Thread(target=lambda: found.append(asyncio.run(served.ahealth()).ready))
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert found == [True, True]


def test_the_client_of_a_loop_is_closed_with_the_server_in_that_loop() -> None:
    with served_by({}) as (_, served):

        async def main() -> bool:
            async with served:
                client = served.async_client()
                assert not client.is_closed()
            return client.is_closed()

        assert asyncio.run(main())


def test_a_loop_that_still_runs_closes_its_client_when_another_thread_closes_the_server() -> None:
    with served_by({}) as (_, served):

        async def main() -> None:
            client = served.async_client()
            await asyncio.to_thread(served.close)
            while not client.is_closed():  # noqa: ASYNC110 (the client tells nobody)
                await asyncio.sleep(0.001)

        asyncio.run(asyncio.wait_for(main(), 10))


def test_a_child_does_not_wait_for_a_client_that_its_parent_was_opening(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    children: list[int] = []

    def open_and_fork(endpoint: Endpoint) -> openai.OpenAI:
        if not children:
            children.append(os.fork())
            if children == [0]:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.alarm(10)
                served.client()
                os._exit(0)
        return open_client(endpoint)

    monkeypatch.setattr("ramalama_chat.client.client.open_client", open_and_fork)
    with served_by({}) as (_, served):
        served.client()
        assert os.waitpid(children[0], 0)[1] == 0


def test_a_loop_that_is_gone_is_no_obstacle_to_the_end() -> None:
    with served_by({}) as (_, served):

        async def main() -> None:
            served.async_client()

        asyncio.run(main())
        served.close()


def test_a_served_model_says_what_it_is_and_no_key() -> None:
    served = ServedModel(TcpEndpoint("127.0.0.1", 8080, "secret"), model="granite")

    assert repr(served) == "<ServedModel granite at 127.0.0.1:8080, open>"
    served.close()
    assert repr(served) == "<ServedModel granite at 127.0.0.1:8080, closed>"


def models(*names: str) -> Route:
    return lambda _: Reply.of_json({"data": [{"id": name} for name in names]})


def connect(url: str, *, color: Color, model: str | None = None) -> ServedModel:
    if color == "asyncio":
        return asyncio.run(ramalama.aconnect(url, api_key="secret", model=model))
    return ramalama.connect(url, api_key="secret", model=model)


def test_a_server_elsewhere_is_asked_for_its_only_model(color: Color) -> None:
    with FileServer({"/v1/models": models("granite"), "/health": says("ok")}) as server:
        with connect(server.url, color=color) as served:
            assert served.model == "granite"
            assert served.health().ready
            assert repr(served) == f"<RemoteModel granite at {server.url}, open>"
        assert {each.headers["authorization"] for each in server.requests} == {"Bearer secret"}


def test_a_server_elsewhere_is_not_asked_for_a_model_that_is_named(color: Color) -> None:
    with FileServer() as server, connect(server.url, color=color, model="mine") as served:
        assert served.model == "mine"
        assert server.requests == []


def test_one_of_several_models_must_be_named(color: Color) -> None:
    with (
        FileServer({"/v1/models": models("a", "b\n")}) as server,
        pytest.raises(OptionRefused, match="has several models, name one of them: a, b"),
    ):
        connect(server.url, color=color)


def test_what_lists_no_model_is_an_error(color: Color) -> None:
    with (
        FileServer({"/v1/models": models()}) as server,
        pytest.raises(ChatError, match="lists no models"),
    ):
        connect(server.url, color=color)


def test_a_server_elsewhere_that_does_not_answer_is_an_error(color: Color) -> None:
    with FileServer() as server:
        url = server.url

    with pytest.raises(ServerGone):
        connect(url, color=color)


@pytest.mark.parametrize("url", ["granite", "ftp://a", "http://", "unix://relative"])
def test_what_is_no_address_is_refused_before_anything_is_sent(url: str, color: Color) -> None:
    with pytest.raises(InputRefused, match="is not a server's address"):
        connect(url, color=color, model="granite")


def test_numbers_that_mean_nothing_are_not_known(color: Color) -> None:
    metrics = (
        'llamacpp:requests_processing{a="1"} 1e308\nllamacpp:requests_processing{a="2"} 1e308\n'
        "llamacpp:requests_deferred -5\n"
        "llamacpp:tokens_predicted_total 1e308\nllamacpp:tokens_predicted_seconds_total 1e-308\n"
    )
    with asking({"/health": says("{}"), "/metrics": says(metrics)}, color=color) as asker:
        assert asker.health() == ramalama.ServerHealth(ready=True)
        assert "llamacpp:requests_processing" not in asker.metrics()


@pytest.mark.parametrize("numbers", ["[NaN, 1]", "[1e300, 1]", "[true, 1]", '"AADAfwAAgD8="'])
def test_a_vector_of_other_than_finite_numbers_is_an_error(numbers: str, color: Color) -> None:
    answer = f'{{"data": [{{"index": 0, "embedding": {numbers}}}]}}'
    with (
        asking({"/v1/embeddings": says(answer)}, color=color) as asker,
        pytest.raises(EmbeddingFailed, match=r"numbers|finite"),
    ):
        asker.embed(["a"])


def test_half_a_character_is_replaced_before_it_is_sent(color: Color) -> None:
    routes = {"/v1/embeddings": vectors, "/tokenize": llama_tokens}
    with asking(routes, color=color) as asker:
        assert asker.embed(["\ud800"]) == [[1.0, 1.0]]
    with asking(routes, color=color) as asker:
        assert asker.count("\ud800") == 1


@pytest.mark.parametrize("seconds", ["5", -1, 1e30, None, float("nan")])
def test_a_timeout_that_is_none_is_refused(seconds: float, color: Color) -> None:
    with (
        asking({}, color=color) as asker,
        pytest.raises(OptionRefused, match="timeout is a number"),
    ):
        asker.health(timeout=seconds)


def test_headers_without_end_are_not_waited_for_longer_than_asked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sender = threading.Thread(target=send_headers, args=(listener,))
        sender.start()
        served = ServedModel(TcpEndpoint("127.0.0.1", listener.getsockname()[1]), model="granite")
        with served, pytest.raises(ServerSilent):
            served.metrics(timeout=0.3)
        sender.join()


def send_headers(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    end = time.monotonic() + 3.0
    with connection, suppress(OSError):
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while time.monotonic() < end:
            connection.sendall(b"a: b\r\n")
            time.sleep(0.05)


def test_what_is_asked_after_the_end_is_a_typed_error(color: Color) -> None:
    with served_by({}) as (_, served):
        asker = Asker(served, color=color)
        session = served.chat()
        served.client()
    with pytest.raises(ServerGone, match="is closed"):
        session.ask("Hi").read()
    assert color == "asyncio" or asker.health() == ramalama.ServerHealth(ready=False)


@pytest.mark.parametrize("given", [{"url": 3}, {"url": b"http://a"}, {"api_key": 3}, {"model": 3}])
def test_what_is_no_text_is_refused_by_its_name(given: dict[str, str]) -> None:
    keywords = {"url": "http://127.0.0.1:1", "model": "m", **given}
    with pytest.raises(OptionRefused, match=f"{next(iter(given))} is a text"):
        ramalama.connect(**keywords)
