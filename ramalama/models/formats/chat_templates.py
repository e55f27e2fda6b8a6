"""Find llama.cpp's built-in chat template that corresponds to one of Ollama's templates.

Ollama's templates are Go templates, which llama.cpp cannot read. The templates of a family of
models use the same special tokens, and llama.cpp knows the families by name: ``--no-jinja
--chat-template NAME`` (with Jinja, it takes most names for templates themselves). A template that
matches no row of the table stays unknown: a wrong template is worse than the plain one.
"""

from __future__ import annotations

# Tokens that identify a family (all of them must occur), and llama.cpp's name. The first row that
# matches is used: a family that shares tokens with a simpler one stands before it.
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
    (("<|user|>", "<|assistant|>", "</s>"), "falcon3"),  # llama.cpp uses the same tokens
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
    """Return llama.cpp's name for the family of *go_template*; None if it is unknown."""
    for tokens, name in _FAMILIES:
        if all(token in go_template for token in tokens):
            return name
    return None
