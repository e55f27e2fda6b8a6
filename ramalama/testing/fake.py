"""A server with made-up answers, for tests without a model, an engine or a container."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.serving.served_model import ServedModel
from ramalama.testing.fake_api import FakeApi
from ramalama.testing.socket_server import SocketServer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ramalama.testing.fake_api import Answers
    from ramalama.testing.values import Question


class FakeServer(ServedModel):
    """A `ServedModel` whose server runs in threads of this process; see `fake_server`.

    Attributes:
        questions: the requests for chat answers so far, in the order of their arrival.
    """

    def __init__(self, api: FakeApi, *, model: str) -> None:
        self._api = api
        self._server = SocketServer(api.answer)
        super().__init__(self._server.endpoint, model=model)

    @property
    def questions(self) -> Sequence[Question]:
        """The requests for chat answers so far, in the order of their arrival."""
        return self._api.questions

    def die(self) -> None:
        """End the server as a crash does: connections break, and no new one can be made."""
        self._server.close()

    def _leave(self) -> None:
        self._server.close()


def fake_server(
    answers: Answers = "Hello!",
    *,
    model: str = "fake",
    context_size: int | None = None,
    embed: Callable[[str], Sequence[float]] | None = None,
) -> FakeServer:
    """Start a small server on a UNIX socket of this process; it answers as it is told to.

        with fake_server({"sky": "Because of Rayleigh scattering."}) as server:
            assert "Rayleigh" in explain_the_sky(server)

    The result is what `ramalama.serve` gives, without a container. It has the API of OpenAI: chat
    answers as a whole and streamed, embeddings, the list of models; and of llama-server what the
    library itself asks for. It counts a token for each word.

    *answers* is one answer to every question, or several to one question each, in their order, or
    a mapping, whose first key that the prompt contains has the answer, or a function of the
    `Question`, which is called in a thread. An answer is a text or a `Reply`, which can also fail,
    be slow, call tools, or break off.

    A conversation of more than *context_size* tokens is refused, as llama-server does it. *embed*
    returns the vector of a text; None compares the words of the texts.
    """
    api = FakeApi(answers, model=model, context_size=context_size, embed=embed)
    return FakeServer(api, model=model)
