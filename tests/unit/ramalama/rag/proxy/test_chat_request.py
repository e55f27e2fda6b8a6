"""The question in a chat request: it alone changes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramalama.rag.proxy.chat_request import ChatRequest

BODY = b"""{ "model":"m",  "temperature": 1.50e0, "seed": 18446744073709551617,
 "messages" : [ {"role":"system","content":"Be brief."},
  {"role":"user","content":"First?"}, {"role":"assistant","content":"Yes.","x":[1,2]},
  {"role":"user", "name":"me", "content": "Gr\\u00fc\\u00dfe \\"and\\" more?" } ],
 "tools": [{"a": {"messages": []}}], "stream": true, "unknown": null }"""


def test_only_the_question_changes() -> None:
    request = ChatRequest.parse(BODY)

    assert request is not None
    assert request.question == 'Grüße "and" more?'
    assert request.earlier == ("First?",)
    assert request.streams
    changed = request.asking("[1] a\n Grüße?")
    assert changed == BODY.replace(
        b'"Gr\\u00fc\\u00dfe \\"and\\" more?"', '"[1] a\\n Grüße?"'.encode()
    )


def test_of_a_question_with_a_picture_the_last_text_changes() -> None:
    parts: list[dict[str, object]] = [
        {"type": "text", "text": "A file"},
        {"type": "image_url", "image_url": {"url": "data:,", "text": "no"}},
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "data:,b"}},
    ]
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "Before?"}, {"type": "image_url"}]},
        {"role": "user", "content": parts},
    ]

    request = ChatRequest.parse(json.dumps({"messages": messages}).encode())

    assert request is not None
    assert request.question == "What is it?"
    assert request.earlier == ("Before?",)
    assert not request.streams
    parts[2]["text"] = "changed"
    assert json.loads(request.asking("changed")) == {"messages": messages}


def test_a_question_stays_the_same_while_tools_answer_it() -> None:
    messages: list[dict[str, object]] = [
        {"role": "user", "content": "How?"},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "content": "a result"},
    ]

    request = ChatRequest.parse(json.dumps({"messages": messages}).encode())

    assert request is not None
    assert request.question == "How?"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"[]",
        b"{}",
        b'{"messages": []}',
        b'{"messages": "user"}',
        b'{"messages": [1, null]}',
        b'{"messages": [{"role": "system", "content": "a"}]}',
        b'{"messages": [{"role": "user"}]}',
        b'{"messages": [{"role": "user", "content": 7}]}',
        b'{"messages": [{"role": "user", "content": []}]}',
        b'{"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]}',
        b'{"messages": [{"role": "user", "content": "a"}], "messages": []}',
        b'{"messages": [{"role": "user", "content": "a", "content": "b"}]}',
        b'{"messages": [{"role": "user", "content": "a"}',
        b'{"messages": [{"role": "user", "content": "a"},]}',
        b'{7: 1, "messages": [{"role": "user", "content": "a"}]}',
        b"\xff\xfe{}",
        b'{"messages": ' + b"[" * 100_000,
    ],
)
def test_a_request_without_one_question_is_left_to_the_server(content: bytes) -> None:
    assert ChatRequest.parse(content) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=9,
)


@given(st.dictionaries(st.text(), JSON, max_size=4), st.text(min_size=1), st.text(), st.booleans())
def test_any_other_members_survive(
    members: dict[str, object],
    question: str,
    prompt: str,
    ascii_only: bool,  # noqa: FBT001
) -> None:
    body = {**members, "messages": [members, {**members, "role": "user", "content": question}]}
    text = json.dumps(body, ensure_ascii=ascii_only, indent=1).encode(errors="replace")

    request = ChatRequest.parse(text)

    assert request is not None
    assert json.loads(request.asking(prompt)) == {
        **json.loads(text),
        "messages": [
            json.loads(text)["messages"][0],
            {
                **json.loads(text)["messages"][1],
                "content": prompt.encode(errors="replace").decode(),
            },
        ],
    }
