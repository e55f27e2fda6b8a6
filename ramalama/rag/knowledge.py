"""Look up questions in an index: what a chat session and the endpoint ask."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ramalama.errors import RamalamaError
from ramalama.rag.prompt import make_finding, text_to_search
from ramalama_chat.errors import ChatError
from ramalama_chat.session.knowledge import Finding

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Sequence

    from ramalama.rag.values import Embedder, SearchableIndex


class IndexKnowledge:
    """Looks questions up in *index*; meets `Knowledge`. It may be used from several threads.

    *embedder* returns what makes the vector of a question; None if only words are searched. It may
    wait until that has started. *notify* is told, once, that vectors cannot be made.

    Attributes:
        index: as it was given.
    """

    def __init__(
        self,
        index: SearchableIndex,
        embedder: Callable[[], Embedder | None] = lambda: None,
        *,
        notify: Callable[[str], None],
    ) -> None:
        self.index = index
        self._embedder = embedder
        self._notify = notify
        self._lock = threading.Lock()
        self._has_failed = False

    def look_up(self, question: str, earlier: Sequence[str], room: int | None) -> Finding:
        """See `Knowledge`."""
        text = text_to_search(question, earlier).encode(errors="replace").decode()
        if not text:
            return Finding(prompt=question)
        try:
            passages = self.index.search(text, self._vector(text))
        except ChatError:
            raise
        except RamalamaError as exc:
            raise ChatError(exc.message, hint=exc.hint) from exc
        return make_finding(question, passages, room=room)

    def _vector(self, text: str) -> array[float] | None:
        if self.index.info.embedder is None or self._has_failed:
            return None
        with self._lock:
            try:
                embedder = self._embedder()
                return None if embedder is None else embedder.embed_question(text)
            except RamalamaError as exc:
                if not self._has_failed:
                    self._has_failed = True
                    self._notify(f"only words are searched, not meanings: {exc}")
        return None
