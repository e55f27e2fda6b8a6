"""Servers for tests that need no model: `fake_server` answers as it is told to.

    from ramalama.testing import Reply, fake_server

    with fake_server(["Hello!", Reply.failure(500)]) as server:
        assert "".join(server.chat().ask("Hi")) == "Hello!"

The pytest plugin, `ramalama.pytest_plugin`, also records the answers of a real model.
"""

from __future__ import annotations

from ramalama.testing.fake import FakeServer, fake_server
from ramalama.testing.fake_api import Answers
from ramalama.testing.values import Question, Reply
from ramalama_values.type_hints import make_resolvable

__all__ = ["Answers", "FakeServer", "Question", "Reply", "fake_server"]

for _public in (FakeServer, Question, Reply, fake_server):
    make_resolvable(_public)
