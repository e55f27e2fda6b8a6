"""Tell an API's client which sources an answer has: a header, and OpenAI's annotations.

The header names all sources that the model was shown, since a stream's head comes before its words:
a JSON array of texts, in ASCII. Annotations are of the citations in the answer:
https://platform.openai.com/docs/api-reference/chat/object (`choices[].message.annotations`), with
`url_citation` for documents from the web, and `file_citation` for files.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ramalama_chat.session.citations import find_citations
from ramalama_values.json import is_array, is_object, parse_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ramalama_chat.session.knowledge import Source

HEADER = "X-RamaLama-Sources"

_LONGEST_HEADER = 4096  # characters
_WEB = ("https://", "http://")


def sources_header(sources: Sequence[Source]) -> str:
    """Return the value of the header; labels that make it too long are left out."""
    labels = [source.label for source in sources]
    while len(value := json.dumps(labels, ensure_ascii=True)) > _LONGEST_HEADER:
        labels.pop()
    return value


def annotate(content: bytes, sources: Sequence[Source]) -> bytes | None:
    """Return an answer's JSON with its annotations; None if it cites nothing, or is no answer."""
    try:
        answer = parse_json(content)
    except ValueError:
        return None
    choices = answer.get("choices") if is_object(answer) else None
    changed = False
    for choice in choices if is_array(choices) else ():
        message = choice.get("message") if is_object(choice) else None
        if is_object(message) and isinstance(text := message.get("content"), str):
            found = citations_of(text, sources)
            given = message.get("annotations")
            if found:
                message["annotations"] = [*(given if is_array(given) else ()), *found]
                changed = True
    return json.dumps(answer, ensure_ascii=False).encode(errors="replace") if changed else None


def citations_of(text: str, sources: Sequence[Source]) -> list[object]:
    """Return the annotations for all citations in *text*."""
    return [
        _annotation(sources[each.number - 1], each.start, each.end)
        for each in find_citations(text, len(sources))
    ]


def _annotation(source: Source, start: int, end: int) -> object:
    place: dict[str, object] = {"start_index": start, "end_index": end, "title": source.label}
    if source.uri.startswith(_WEB):
        return {"type": "url_citation", "url_citation": {**place, "url": source.uri}}
    file = {**place, "file_id": source.uri, "filename": source.uri.rpartition("/")[2]}
    return {"type": "file_citation", "file_citation": file}
