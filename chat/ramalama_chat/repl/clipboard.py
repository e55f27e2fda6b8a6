"""Copy text to the clipboard through a terminal: xterm's "Manipulate Selection Data", OSC 52."""

from base64 import b64encode

from ramalama_chat.errors import InputRefused

_MOST = 74_994  # bytes: xterm and other terminals take at most 100,000 characters of base64


def copy_sequence(text: str) -> str:
    """Return the sequence that makes a terminal copy *text* to the clipboard.

    Raises:
        InputRefused: *text* is longer than terminals accept.

    """
    content = text.encode("utf-8", "replace")
    if len(content) > _MOST:
        msg = f"the answer has {len(content):,} bytes, and terminals copy {_MOST:,} at most"
        raise InputRefused(msg)
    return f"\x1b]52;c;{b64encode(content).decode()}\x07"
