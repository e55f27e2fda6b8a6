"""What an API's client is told of the sources."""

import json

import pytest
from openai.types.chat import ChatCompletion

from ramalama.rag.proxy.annotations import annotate, sources_header
from ramalama_chat.session.knowledge import Source

SOURCES = (
    Source(label="guide.pdf p. 12 › Networking", uri="docs/guide.pdf"),
    Source(label="The FAQ", uri="https://example.com/faq"),
)


def answer(text: object) -> dict[str, object]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "finish_reason": "stop", "message": message, "logprobs": None}
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


def test_a_citation_becomes_an_annotation_that_openais_client_reads() -> None:
    content = annotate(json.dumps(answer("Use -p [1], or ask [2].")).encode(), SOURCES)

    assert content is not None
    found = json.loads(content)["choices"][0]["message"]["annotations"]
    assert found == [
        {
            "type": "file_citation",
            "file_citation": {
                "start_index": 7,
                "end_index": 10,
                "title": "guide.pdf p. 12 › Networking",
                "file_id": "docs/guide.pdf",
                "filename": "guide.pdf",
            },
        },
        {
            "type": "url_citation",
            "url_citation": {
                "start_index": 19,
                "end_index": 22,
                "title": "The FAQ",
                "url": "https://example.com/faq",
            },
        },
    ]
    message = ChatCompletion.model_validate_json(annotate_web(content)).choices[0].message
    assert message.annotations is not None
    assert message.annotations[0].url_citation.url == "https://example.com/faq"


def annotate_web(content: bytes) -> str:
    """Leave out what only we have: the types of the SDK know citations of the web alone."""
    value = json.loads(content)
    message = value["choices"][0]["message"]
    message["annotations"] = [each for each in message["annotations"] if "url_citation" in each]
    return json.dumps(value)


@pytest.mark.parametrize("text", ["Nothing.", "[3]", None, 7, ["a"]])
def test_an_answer_that_cites_nothing_stays_as_it_is(text: object) -> None:
    assert annotate(json.dumps(answer(text)).encode(), SOURCES) is None


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"choices": 1}', b'{"choices": [1, {"message": 2}]}']
)
def test_what_is_no_answer_stays_as_it_is(content: bytes) -> None:
    assert annotate(content, SOURCES) is None


def test_the_header_is_short_and_in_ascii() -> None:
    assert json.loads(sources_header(SOURCES)) == ["guide.pdf p. 12 › Networking", "The FAQ"]
    assert sources_header(SOURCES).isascii()
    many = [Source(label="ü" * 120)] * 50
    assert 2000 < len(sources_header(many)) <= 4096
    assert sources_header([Source(label="a\r\nX: b\x7f")]).isprintable()
