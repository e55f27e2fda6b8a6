"""What references to hubs ask for."""

from __future__ import annotations

import pytest

from ramalama.models.options import ModelFormat
from ramalama.models.reference.reference import ModelRef
from ramalama.models.transports.selection.request import FileRequest


@pytest.mark.parametrize(
    ("reference", "repository", "path", "tag"),
    [
        ("hf://acme/tiny", "hf://acme/tiny", "", ""),
        ("hf://acme/tiny:q8_0", "hf://acme/tiny", "", "q8_0"),
        ("hf://acme/tiny@v1:Q8_0", "hf://acme/tiny@v1", "", "Q8_0"),
        ("ms://acme/tiny/sub/x.gguf", "ms://acme/tiny", "sub/x.gguf", ""),
        ("hf.co/acme/tiny@refs%2Fpr%2F1/x.gguf", "hf://acme/tiny@refs%2Fpr%2F1", "x.gguf", ""),
    ],
)
def test_a_wish_is_read_from_a_reference(
    reference: str, repository: str, path: str, tag: str
) -> None:
    request = FileRequest.of_hub(ModelRef.parse(reference), ModelFormat.GGUF)

    assert request == FileRequest(
        repository=repository, format=ModelFormat.GGUF, path=path, tag=tag
    )
