from pathlib import Path

import pytest

from ramalama_chat import InputRefused
from ramalama_chat.input.schema import read_schema


def test_a_schema_becomes_the_format_of_the_answer(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"type": "object"}')

    assert read_schema(tmp_path / "s.json") == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True},
    }


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", r"s.json. is not valid JSON \(line 1, column 2\)$"),
        (b"[]", "is not a JSON schema, which must be an object"),
        (b"\xff", "it is not UTF-8$"),
        (b"[" * 100_000, "it is nested too deeply$"),
        (b'{"a": ' + b"1" * 100_000 + b"}", "a number with too many digits$"),
        (b'{"a": NaN}', "not JSON"),
        (b'{"a": 1e400}', "not JSON"),
        (b'{"a": "\\ud800"}', "not JSON"),
    ],
)
def test_what_is_no_schema_is_one_line(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "s.json").write_bytes(content)

    with pytest.raises(InputRefused, match=why) as caught:
        read_schema(tmp_path / "s.json")

    assert "\n" not in str(caught.value)
