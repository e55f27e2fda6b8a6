"""A model of a server that runs elsewhere, and that another program has started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.errors import OptionRefused
from ramalama.serving.queries.models import ask_names
from ramalama.serving.served_model import ServedModel
from ramalama_chat.client.endpoint import UrlEndpoint
from ramalama_chat.client.remote import choose_key
from ramalama_chat.errors import ChatError
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class RemoteModel(ServedModel):
    """A model of the server at *url*; *name* may be None until `find` or `afind`."""

    def __init__(self, url: str, *, api_key: str | None, name: str | None) -> None:
        super().__init__(UrlEndpoint(url, api_key), model=name or "")

    @classmethod
    def at(
        cls, url: str, *, api_key: str | None, name: str | None, env: Mapping[str, str]
    ) -> RemoteModel:
        """Return the model at *url*; without a key, *env* has it as for ``ramalama chat --url``.

        Raises:
            InputRefused: *url* is not a server's address, or the key cannot be sent.
            OptionRefused: a value is no text.
        """
        _check_text("url", url)
        if api_key is not None:
            _check_text("api_key", api_key)
        if name is not None:
            _check_text("model", name)
        made = cls(url, api_key=api_key or choose_key(url, env), name=name)
        made.client()  # checks the URL and the key; sends nothing
        return made

    def find(self) -> None:
        """Ask for the name of the server's only model, unless it is known."""
        if not self._model:
            self._model = _only(self._ask(ask_names()), str(self.endpoint))

    async def afind(self) -> None:
        """Ask for the name of the server's only model, unless it is known."""
        if not self._model:
            self._model = _only(await self._ask_async(ask_names()), str(self.endpoint))


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        msg = f"{name} is a text, not {type(value).__name__}"
        raise OptionRefused(msg)


def _only(names: Sequence[str], url: str) -> str:
    if not names:
        msg = f"{url} lists no models: is it a model server? If so, name the model"
        raise ChatError(msg)
    if len(names) > 1:
        msg = f"{url} has several models, name one of them: {one_line(', '.join(names))}"
        raise OptionRefused(msg)
    return names[0]
