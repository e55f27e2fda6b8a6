"""Which of llama.cpp's built-in chat templates is meant by one of Ollama's.

Ollama's templates are Go's, which llama.cpp does not read. Those of a family of models say the
same with the same special tokens, and llama.cpp knows the families by name: ``--no-jinja
--chat-template NAME``, since with Jinja it takes most names for templates themselves. What is in no
row of the table stays unknown: a wrong template is worse than the plain one.
"""

from __future__ import annotations

# Tell-tale tokens, all of which must be there, and llama.cpp's name. The first row that fits
# counts: those that share tokens with a simpler family stand before it.
_FAMILIES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("<|start|>", "<|message|>", "<|channel|>"), "gpt-oss"),
    (("<|header_start|>", "<|header_end|>"), "llama4"),
    (("<|start_header_id|>", "<|end_header_id|>"), "llama3"),
    (("<|im_start|>", "<|im_sep|>"), "phi4"),
    (("<|im_user|>", "<|im_middle|>"), "kimi-k2"),
    (("<|im_start|>", "<|im_end|>"), "chatml"),
    (("<start_of_turn>", "<end_of_turn>"), "gemma"),
    (("<|start_of_role|>", "<|end_of_role|>"), "granite"),
    (("<|START_OF_TURN_TOKEN|>", "<|USER_TOKEN|>"), "command-r"),
    (("<\uff5cUser\uff5c>", "<\uff5cAssistant\uff5c>"), "deepseek3"),
    (("<|user|>", "<|assistant|>", "<|end|>"), "phi3"),
    (("[gMASK]<sop>", "<|user|>"), "chatglm4"),
    (("<|user|>", "<|assistant|>", "</s>"), "falcon3"),  # as llama.cpp itself takes these
    (("<|user|>", "<|assistant|>", "<|endoftext|>"), "zephyr"),
    (("[|user|]", "[|assistant|]"), "exaone3"),
    (("GPT4 Correct User:", "<|end_of_turn|>"), "openchat"),
    (("[SYSTEM_PROMPT]", "[INST]"), "mistral-v7"),
    (("[INST]", "<<SYS>>"), "llama2-sys"),
    (("[AVAILABLE_TOOLS]", "[INST]"), "mistral-v3"),
    (("[INST]", "[/INST]"), "mistral-v1"),
    (("### Instruction:", "### Response:"), "deepseek"),
    (("USER:", "ASSISTANT:"), "vicuna"),
)


def builtin_template(go_template: str) -> str | None:
    """Name llama.cpp's template of the family that *go_template* is for; None if unknown."""
    for tokens, name in _FAMILIES:
        if all(token in go_template for token in tokens):
            return name
    return None
