"""Report an answer to programs as one JSON object."""

import json
import time
from collections.abc import Generator
from contextlib import closing
from io import StringIO

from ramalama_chat.session.session import ChatSession

_MILLISECOND = 1000.0


class Report:
    """Collects the answer of *session* and writes it as a JSON object."""

    def __init__(self, session: ChatSession) -> None:
        self._session = session
        self._text = StringIO()
        self._reasoning = StringIO()
        self._began = time.perf_counter()
        self._first: float | None = None
        session.counting = True

    def note_reasoning(self, thought: str) -> None:
        """Add a piece of the model's reasoning."""
        self._reasoning.write(thought)

    def collect(self, pieces: Generator[str, None, None]) -> None:
        """Read the answer to its end, and close *pieces*."""
        with closing(pieces):
            for piece in pieces:
                self._first = self._first or time.perf_counter()
                self._text.write(piece)

    def to_json(self) -> str:
        """Return the object on one line; "usage" is null if the server did not count.

        "timings" are in milliseconds: those of the server, and "first_text_ms" and "total_ms",
        which are measured here. "sources" are those that the answer cites; the member is there if
        documents were searched.
        """
        usage, now = self._session.usage, time.perf_counter()
        first = None if self._first is None else (self._first - self._began) * _MILLISECOND
        content = {
            "model": self._session.model,
            "text": self._text.getvalue(),
            "reasoning": self._reasoning.getvalue() or None,
            "finish_reason": self._session.finish_reason,
            "usage": usage
            and {
                "prompt_tokens": usage.prompt_tokens,
                "completion_tokens": usage.completion_tokens,
                "total_tokens": usage.total_tokens,
            },
            "timings": {
                **(usage.timings if usage else {}),
                "first_text_ms": first,
                "total_ms": (now - self._began) * _MILLISECOND,
            },
            **self._sources(),
        }
        return json.dumps(content, ensure_ascii=True)

    def _sources(self) -> dict[str, object]:
        if self._session.finding is None:
            return {}
        cited = self._session.cited()
        return {
            "sources": [
                {"number": number, "label": source.label, "uri": source.uri}
                for number, source in cited
            ]
        }
