"""What helps if a conversation does not fit into the context."""

import pytest

from ramalama_chat.client.context_size import ContextSize

OPTION = "--ctx-size"


@pytest.mark.parametrize(
    ("size", "option", "needed", "remedy"),
    [
        (ContextSize(2048, 32768), OPTION, 13388, "use --ctx-size 16384, or send less"),
        (ContextSize(2048, 32768), OPTION, None, "use --ctx-size 4096, or send less"),
        (ContextSize(2048, 14000), OPTION, 13388, "use --ctx-size 14000, or send less"),
        (
            ContextSize(2048, 8192),
            OPTION,
            13388,
            "use --ctx-size 8192, all that the model was trained with, and send less",
        ),
        (
            ContextSize(8192, 8192),
            OPTION,
            13388,
            "send less: the model was trained with 8192 tokens at most",
        ),
        (ContextSize(2048), OPTION, 13388, "use --ctx-size 16384, or send less"),
        (ContextSize(), OPTION, None, "use a larger --ctx-size"),
        (
            ContextSize(2048, 32768),
            None,
            13388,
            "start the server with a context of 16384 tokens, or send less",
        ),
        (ContextSize(), None, None, "start the server with a larger context"),
    ],
)
def test_the_largest_sensible_value_is_named(
    size: ContextSize, option: str | None, needed: int | None, remedy: str
) -> None:
    assert size.remedy(option, needed) == remedy
