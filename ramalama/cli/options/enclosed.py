"""The files that the command line sends along with a talk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama_chat.input.attachments import read_image, read_text
from ramalama_chat.input.schema import read_schema
from ramalama_values import frozen

if TYPE_CHECKING:
    from ramalama.cli.options.chat import ChatArguments


@frozen()
class Enclosed:
    """What goes along with the first prompt.

    Attributes:
        response_format: the member of requests that holds answers to a schema; None for no schema.
    """

    texts: tuple[str, ...]
    images: tuple[str, ...]
    response_format: dict[str, object] | None


def read_enclosed(arguments: ChatArguments) -> Enclosed:
    """Read the files that the command line names; before a server starts, as one may be missing.

    Raises:
        InputRefused: one cannot be read, or is not what it should be.
    """
    return Enclosed(
        texts=tuple(read_text(path) for path in arguments.file),
        images=tuple(read_image(path) for path in arguments.picture),
        response_format=read_schema(arguments.schema) if arguments.schema else None,
    )
