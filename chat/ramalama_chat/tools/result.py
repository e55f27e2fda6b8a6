"""Turn a tool's result into text for the model: plain and of bounded size."""

import json
from typing import TYPE_CHECKING

from ramalama_chat.text import ControlFilter

if TYPE_CHECKING:
    from mcp.types import CallToolResult, ContentBlock

_LONGEST = 16 * 1024  # characters, about 4000 tokens


def result_text(result: "CallToolResult") -> str:
    """Return the text of *result*, without control sequences; other content is only named."""
    blocks = [_block_text(block) for block in result.content]
    if not blocks and result.structured_content is not None:
        blocks = [json.dumps(result.structured_content)]
    text = ("Error: " if result.is_error else "") + "\n".join(blocks)
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}\n(cut off: {len(text)} characters in all)"
    return ControlFilter().feed(text)


def _block_text(block: "ContentBlock") -> str:
    if block.type == "text":
        return block.text
    if block.type == "resource":
        text = getattr(block.resource, "text", None)
        return text if isinstance(text, str) else f"({block.resource.uri}: no text)"
    if block.type == "resource_link":
        return f"({block.uri})"
    return f"({block.mime_type}: no text)"
