from pathlib import Path

import pytest

from ramalama_chat import ChatError, ChatSession, InputRefused, ServerGone, open_remote
from ramalama_chat.client.remote import choose_key, choose_model
from tests.unit.chat.scripted_server import Script, answer_json, refusal, words


def models(*names: str) -> list[bytes]:
    return answer_json({"data": [{"id": name} for name in names]})


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1/"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/v1/"),
        ("https://models.example.com/api/v1", "https://models.example.com/api/v1/"),
        ("http://[::1]:1", "http://[::1]:1/v1/"),
        ("unix:///run/x.sock", "http://localhost/v1/"),
    ],
)
def test_an_address_names_the_api(url: str, base: str) -> None:
    with open_remote(url) as client:
        assert str(client.base_url) == base


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "ftp://host",
        "http://",
        "http://host:port",
        "http://host?x=1",
        "unix://host/path",
        "unix:relative",
        "http://user:swordfish@host",
        "http://[::1",
        "http://a..b",
        "http://\N{SNOWMAN}.example",
        f"http://{'a' * 64}.example",
        "http://host/\x1b[2J",
    ],
)
def test_what_is_no_address_is_one_line_without_secrets(url: str) -> None:
    with pytest.raises(InputRefused, match="is not a server's address") as caught:
        open_remote(url)
    with pytest.raises(InputRefused, match="is not a server's address"):
        choose_key(url, {})

    assert "swordfish" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    "key", ["sword fish", "schl\N{LATIN SMALL LETTER U WITH DIAERESIS}ssel", "k\n"]
)
def test_a_key_that_no_header_carries_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(InputRefused, match="an HTTP header cannot carry") as caught:
        open_remote("http://127.0.0.1:1", api_key=key)

    assert key not in str(caught.value)


@pytest.mark.parametrize(
    "proxy", ["socks4://u:swordfish@x:1", "nonsense://u:swordfish@x", "http://u:swordfish@[::"]
)
def test_a_proxy_that_makes_no_sense_is_one_line_without_secrets(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("http_proxy", proxy)

    with pytest.raises(InputRefused, match="HTTP_PROXY, HTTPS_PROXY or ALL_PROXY") as caught:
        open_remote("http://models.example")

    assert "swordfish" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "env", "key"),
    [
        ("https://host", {}, None),
        ("https://host", {"OPENAI_API_KEY": "o"}, "o"),
        ("https://host", {"OPENAI_API_KEY": "o", "RAMALAMA_API_KEY": "r"}, "r"),
        ("http://localhost:1", {"OPENAI_API_KEY": "o"}, "o"),
        ("unix:///x.sock", {"OPENAI_API_KEY": "o"}, "o"),
        ("http://host", {"OPENAI_API_KEY": "o"}, None),
        ("http://host", {"RAMALAMA_API_KEY": "r"}, "r"),
    ],
)
def test_a_key_comes_from_the_environment_and_openais_never_goes_out_in_clear(
    url: str, env: dict[str, str], key: str | None
) -> None:
    assert choose_key(url, env) == key


def test_the_one_model_of_a_server_is_asked(script: Script, tmp_path: Path) -> None:
    script.add(models("tiny"), words("Hello."))
    with open_remote(f"unix://{tmp_path}/s.sock", api_key="swordfish") as client:
        model = choose_model(client, None)

        assert list(ChatSession(client, model=model).ask("Hi")) == ["Hello."]

    assert script.requests[1].body["model"] == "tiny"
    assert [asked.headers["authorization"] for asked in script.requests] == ["Bearer swordfish"] * 2


@pytest.mark.parametrize(
    ("answer", "error", "why"),
    [
        (models("a", "b"), InputRefused, "several models, choose one by --model: a, b"),
        (models(), ChatError, "lists no models: is it a model server"),
        (refusal(404, "<html>"), ChatError, "HTTP 404"),
        (
            refusal(401, '{"error": {"message": "wrong key"}}'),
            ChatError,
            "wrong key; set RAMALAMA_API_KEY",
        ),
        (refusal(403, ""), ChatError, "without a reason; set RAMALAMA_API_KEY to its key"),
        ([b"SSH-2.0-OpenSSH_9.6\r\n"], ChatError, "the connection, or sent data that is not HTTP"),
        ([b""], ServerGone, "the connection, or sent data that is not HTTP"),
    ],
)
def test_a_server_without_one_model_says_why(
    script: Script, tmp_path: Path, answer: list[bytes], error: type[ChatError], why: str
) -> None:
    script.add(answer)
    with open_remote(f"unix://{tmp_path}/s.sock") as client, pytest.raises(error, match=why):
        choose_model(client, None)


def test_the_list_of_a_server_that_loads_its_model_is_waited_for(
    script: Script, tmp_path: Path
) -> None:
    loading = refusal(503, '{"error": {"message": "Loading model", "code": 503}}')
    script.add(*[loading] * 6, models("tiny"))
    told: list[bool] = []
    with open_remote(f"unix://{tmp_path}/s.sock") as client:
        assert choose_model(client, None, on_loading=lambda: told.append(True)) == "tiny"

    assert len(told) == 5


def test_a_model_that_is_named_is_not_asked_for(tmp_path: Path) -> None:
    with open_remote(f"unix://{tmp_path}/missing.sock") as client:
        assert choose_model(client, "mine") == "mine"
