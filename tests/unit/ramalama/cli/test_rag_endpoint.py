"""`serve --rag`: options of the server and of the endpoint before it."""

from __future__ import annotations

import json
import socket
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ramalama.cli.commands.serve import make_parser
from ramalama.cli.invocation import GlobalArguments
from ramalama.cli.rag_endpoint import ListenRequest, refuse_network, split_options
from ramalama.cli.rag_process import EndpointRequest, start_process
from ramalama.config.options import ServeOptions
from ramalama.errors import ConfigError, OptionRefused
from ramalama.models.reference.reference import ModelRef
from ramalama.rag.proxy.context_size import context_size
from ramalama_chat import TcpEndpoint, UnixEndpoint

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = ServeOptions(model=ModelRef.parse("/models/granite.gguf"), rag="docs")


def test_a_server_without_a_network_has_an_endpoint_on_a_socket() -> None:
    assert split_options(OPTIONS) == (OPTIONS, ListenRequest())


def test_what_publishes_a_server_publishes_the_endpoint_instead() -> None:
    asked = replace(OPTIONS, network="bridge", host="0.0.0.0", port=8080, api_key="open-sesame")  # noqa: S104

    options, listen = split_options(asked)

    assert options == OPTIONS
    assert listen == ListenRequest(host="0.0.0.0", port=8080, key="open-sesame")  # noqa: S104


@pytest.mark.parametrize(
    "changes", [{"port": 8080}, {"network": "bridge", "host": "localhost"}, {"embeddings": True}]
)
def test_options_that_contradict_each_other_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(OptionRefused):
        split_options(replace(OPTIONS, **changes))  # type: ignore[arg-type]


def test_a_network_is_refused() -> None:
    refuse_network(None)
    refuse_network("none")
    with pytest.raises(OptionRefused, match="the server has no network"):
        refuse_network("bridge")


def test_the_option_is_known_to_the_command() -> None:
    assert make_parser().parse_args(["--rag", "docs", "granite"]).rag == "docs"


MODELS = {"data": [{"id": "m", "meta": {"n_ctx": 4096}}]}


@pytest.mark.parametrize(
    ("answer", "size"),
    [
        (MODELS, 4096),
        ({"data": [{"id": "m", "max_model_len": 8192}]}, 8192),
        ({"data": [{"id": "m", "max_model_len": "x"}]}, None),
        ({"data": []}, None),
        ([], None),
        ("no JSON", None),
    ],
)
def test_a_server_is_asked_for_the_size_of_its_context(
    tmp_path: Path, answer: object, size: int | None
) -> None:
    body = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
                connection.sendall(body)

        thread = threading.Thread(target=serve)
        thread.start()
        assert context_size(UnixEndpoint(path)) == size
        thread.join()


def test_a_server_that_does_not_answer_has_no_known_size(tmp_path: Path) -> None:
    assert context_size(UnixEndpoint(str(tmp_path / "s"))) is None
    assert context_size(TcpEndpoint("127.0.0.1", 1, "key")) is None


def test_a_process_that_cannot_listen_says_why(tmp_path: Path) -> None:
    env = {"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}
    arguments = GlobalArguments(
        debug=False,
        engine=None,
        engine_url=f"unix://{tmp_path}/nothing.sock",
        connection=None,
        store=None,
    )

    with pytest.raises(ConfigError, match=r"nothing\.sock"):
        start_process(
            arguments, env, EndpointRequest(server="granite", rag="docs", listen=ListenRequest())
        )
