"""The YAML that CDI generators write, and nothing more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramalama_accel.cdi.yaml import KeyPath, YamlError, read_yaml


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("kind: nvidia.com/gpu", [(("kind",), "nvidia.com/gpu")]),
        ("kind: 'nvidia.com/gpu' # ours", [(("kind",), "nvidia.com/gpu")]),
        ('"kind": "a\\"b"', [(("kind",), 'a"b')]),
        ("name: 'it''s'", [(("name",), "it's")]),
        ("- a\n- b", [((0,), "a"), ((1,), "b")]),
        (
            "a:\n- b: 1\n  c: 2\n- b: 3",
            [(("a", 0, "b"), "1"), (("a", 0, "c"), "2"), (("a", 1, "b"), "3")],
        ),
        (
            "a:\n    - b: 1\n    - b: 2\nd: 4",
            [(("a", 0, "b"), "1"), (("a", 1, "b"), "2"), (("d",), "4")],
        ),
        ("a:\n  b:\n  - c\n  d: e", [(("a", "b", 0), "c"), (("a", "d"), "e")]),
        ("-\n  a: 1", [((0, "a"), "1")]),
        ("- - x\n  - y", [((0, 0), "x"), ((0, 1), "y")]),
        ("--- \n# note\n\na: {}\nb: []\nc:\nd: ~\n...", []),
        ("- libx.so.535::/usr/lib/libx.so", [((0,), "libx.so.535::/usr/lib/libx.so")]),
        ("a: b#c", [(("a",), "b#c")]),
        ("a: one\n   two\nb: 1", [(("a",), "one"), (("b",), "1")]),
        ("a: 1\r\nb: 2\r\n", [(("a",), "1"), (("b",), "2")]),
    ],
)
def test_block_yaml_is_read_as_path_and_scalar(text: str, pairs: list[tuple[KeyPath, str]]) -> None:
    assert list(read_yaml(text)) == pairs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a:\n    b: 1\n  c: 2", "line 3: wrong indentation"),
        ("a: 1\n  b: 2", "line 2: wrong indentation"),
        ("a:\n\tb: 1", "line 2: a tab in the indentation"),
        ("just words", "line 1: expected a key"),
        ("a: 'open", "line 1: a quoted scalar does not end"),
        ("a: &anchor b", "line 1: '&' begins a form"),
        ("a: *alias", "line 1: '\\*' begins a form"),
        ("a: |\n  text", "line 1: '\\|' begins a form"),
        ("a: {b: 1}", "line 1: "),
        ("a: [1, 2]", "line 1: '\\[' begins a form"),
        ("a: b: c", "line 1: "),
        ("- " * 40 + "a", "line 1: nested too deeply"),
    ],
)
def test_what_lies_outside_is_an_error_that_names_the_line(text: str, message: str) -> None:
    with pytest.raises(YamlError, match=message):
        list(read_yaml(text))


@given(st.text(alphabet="ab:- \n\t#'\"{}[]&*|>\\", max_size=200))
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    try:
        pairs = list(read_yaml(text))
    except YamlError as error:
        assert str(error).startswith("line ")  # noqa: PT017 (either outcome is right)
    else:
        assert all(isinstance(value, str) for _, value in pairs)
