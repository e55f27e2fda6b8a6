"""Ollama's templates: those of known families, as models have them."""

from __future__ import annotations

import pytest

from ramalama.models.formats.chat_templates import builtin_template

CHATML = """\
{{- if .System }}<|im_start|>system
{{ .System }}<|im_end|>
{{ end }}{{- range .Messages }}<|im_start|>{{ .Role }}
{{ .Content }}<|im_end|>
{{ end }}<|im_start|>assistant
"""
LLAMA_3 = """\
{{ if .System }}<|start_header_id|>system<|end_header_id|>

{{ .System }}<|eot_id|>{{ end }}{{ if .Prompt }}<|start_header_id|>user<|end_header_id|>

{{ .Prompt }}<|eot_id|>{{ end }}<|start_header_id|>assistant<|end_header_id|>

{{ .Response }}<|eot_id|>"""
LLAMA_2 = "[INST] <<SYS>>{{ .System }}<</SYS>>\n\n{{ .Prompt }} [/INST]\n"
MISTRAL = "[INST] {{ if .System }}{{ .System }} {{ end }}{{ .Prompt }} [/INST]"
MISTRAL_TOOLS = "[AVAILABLE_TOOLS] {{ $.Tools }}[/AVAILABLE_TOOLS][INST] {{ .Content }}[/INST]"
GEMMA = """\
<start_of_turn>user
{{ if .System }}{{ .System }} {{ end }}{{ .Prompt }}<end_of_turn>
<start_of_turn>model
{{ .Response }}<end_of_turn>
"""
PHI_3 = (
    "{{ if .Prompt }}<|user|>\n{{ .Prompt }}<|end|>\n{{ end }}<|assistant|>\n{{ .Response }}<|end|>"
)
PHI_4 = "<|im_start|>user<|im_sep|>{{ .Prompt }}<|im_end|><|im_start|>assistant<|im_sep|>"
ZEPHYR = "<|user|>\n{{ .Prompt }}<|endoftext|>\n<|assistant|>\n{{ .Response }}<|endoftext|>"


@pytest.mark.parametrize(
    ("template", "name"),
    [
        (CHATML, "chatml"),
        (LLAMA_3, "llama3"),
        (LLAMA_2, "llama2-sys"),
        (MISTRAL, "mistral-v1"),
        (MISTRAL_TOOLS, "mistral-v3"),
        (GEMMA, "gemma"),
        (PHI_3, "phi3"),
        (PHI_4, "phi4"),
        (ZEPHYR, "zephyr"),
        (ZEPHYR.replace("<|endoftext|>", "</s>"), "falcon3"),
        ("{{ .Prompt }}", None),
        ("", None),
        ("<|im_start|> without an end", None),
    ],
)
def test_a_known_familys_template_has_a_name(template: str, name: str | None) -> None:
    assert builtin_template(template) == name
