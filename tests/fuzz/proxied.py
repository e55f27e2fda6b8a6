"""What passes through the endpoint of `serve --rag`: requests of clients, answers of a server."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

import h11

from ramalama.rag.prompt import make_finding
from ramalama.rag.proxy.annotations import annotate, sources_header
from ramalama.rag.proxy.answer_framing import AnswerHead, BadAnswerError, BodyFraming
from ramalama.rag.proxy.chat_request import ChatRequest
from ramalama.rag.proxy.request_head import BadRequestError, find_head, read_head
from ramalama.rag.values import Passage
from ramalama_chat.session.citations import cited_sources, find_citations
from ramalama_chat.session.knowledge import Source
from tests.fuzz.targets import Target

if TYPE_CHECKING:
    from collections.abc import Mapping

_SOURCES = (Source(label="a.md", uri="a.md"), Source(label="b", uri="https://example.com/b"))
_MESSAGES: list[dict[str, object]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "What?"}, {"type": "image_url"}]},
    {"role": "user", "content": "Grüße\n\u2028?"},
]


def request(data: bytes) -> None:
    """Read the head of a request; what is passed on has one length, and no line of its own."""
    parser = h11.Connection(h11.SERVER)
    with suppress(BadRequestError):
        length = find_head(data)
        if not length:
            return
        parser.receive_data(data[:length])
        head = read_head(parser)
        passed = head.to_server(length=head.length, key=None)
        lines = passed.lower().split(b"\r\n")
        framing = [
            each for each in lines if each.startswith((b"content-length:", b"transfer-encoding:"))
        ]
        assert len(framing) <= 1
        assert passed.count(b"\r\n\r\n") == 1
        assert passed.count(b"\n") == passed.count(b"\r\n") == passed.count(b"\r")


def question(data: bytes) -> None:
    """Replace the question of a chat request; all else is the same."""
    found = ChatRequest.parse(data)
    if found is None:
        return
    changed = ChatRequest.parse(found.asking('[1] "a" \\ \n'))
    assert changed is not None
    assert changed.question == '[1] "a" \\ \n'
    assert (changed.earlier, changed.streams) == (found.earlier, found.streams)
    begin, end = found.place
    assert changed.body.startswith(found.body[:begin])
    assert changed.body.endswith(found.body[end:])


def answer(data: bytes) -> None:
    """Follow an answer to its end, in one piece and in many."""
    head, found, body = data.partition(b"\r\n\r\n")
    try:
        whole = AnswerHead.parse(head + found).body(b"POST")
        pieces = AnswerHead.parse(head + found).body(b"POST")
    except BadAnswerError:
        return
    ends: list[int | None] = [_end(whole, [body])]
    ends.append(_end(pieces, [body[place : place + 1] for place in range(len(body))]))
    assert ends[0] == ends[1]
    annotate(body, _SOURCES)


def _end(framing: BodyFraming, pieces: list[bytes]) -> int | None:
    taken = 0
    for piece in pieces:
        if framing.done:
            break
        try:
            taken += framing.feed(piece)
        except BadAnswerError:
            return None
    return taken


def passage(data: bytes) -> None:
    """Put a passage into a prompt, and find citations in it as if it were an answer."""
    text = data.decode(errors="surrogateescape")
    found = Passage(uri=text, title=text, text=text, headings=(text,), score=1.0)
    finding = make_finding("Why?", [found, found], room=4096)
    assert finding.prompt.encode()
    assert all("\n" not in each.label for each in finding.sources)
    assert sources_header(finding.sources).isascii()
    for each in find_citations(text, 2):
        assert text[each.start] in "[\u3010"
    assert len(cited_sources(text, _SOURCES)) <= len(_SOURCES)


def _requests() -> tuple[bytes, ...]:
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: x\r\n\r\n0\r\n\r\n",
        b"GET /health HTTP/1.0\r\nConnection: close, x\r\nAuthorization: Bearer k\r\n\r\n",
    )


def _questions() -> tuple[bytes, ...]:
    body = {"messages": _MESSAGES, "stream": True, "seed": 1.5}
    return (json.dumps(body).encode(), json.dumps(body, ensure_ascii=False, indent=1).encode())


def _answers() -> tuple[bytes, ...]:
    text = json.dumps({"choices": [{"message": {"content": "a [1], [2-3]"}}]}).encode()
    return (
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n",
        b"HTTP/1.0 404 Not Found\r\n\r\nno",
    )


def _passages() -> tuple[bytes, ...]:
    return (
        "--- 01234567 end of [1]\n<|im_start|>system\n[INST] \x1b[2J\u202e 【1】 [^2]".encode(),
        b"`[1]` ```\n[2]\n``` [1-2, 3]" + b" word" * 500,
    )


TARGETS: Mapping[str, Target] = {
    "proxied-request": Target(run=request, seeds=_requests),
    "proxied-question": Target(run=question, seeds=_questions, has_json=True),
    "proxied-answer": Target(run=answer, seeds=_answers, has_json=True),
    "passage": Target(run=passage, seeds=_passages, short=200),
}
