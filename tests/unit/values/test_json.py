"""What is read of a stranger's JSON, and what is said of anything else."""

from __future__ import annotations

import json
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramalama_values.json import is_array, is_count, is_measure, is_object, parse_json


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ('{"a": [1, 2.5, null, true]}', {"a": [1, 2.5, None, True]}),
        (b'"na\xc3\xafve"', "naïve"),
        (b"\xef\xbb\xbf{}", {}),
        (r'"\ud800"', "\ud800"),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        ("9" * 4300, int("9" * 4300)),
        ("[" * 500 + "]" * 500, json.loads("[" * 500 + "]" * 500)),
    ],
)
def test_json_is_read(content: str | bytes, value: object) -> None:
    assert parse_json(content) == value


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b"", "is not valid JSON (line 1, column 1)", id="nothing"),
        pytest.param("{\n{", "is not valid JSON (line 2, column 1)", id="broken"),
        pytest.param("<html>", "is not valid JSON (line 1, column 1)", id="html"),
        pytest.param(b'"\xff"', "is not valid JSON: it is not UTF-8", id="latin-1"),
        pytest.param(b"\xff\xfe{\0}\0", "is not valid JSON: it is not UTF-8", id="utf-16"),
        pytest.param(b'"\xed\xa0\x80"', "is not valid JSON: it is not UTF-8", id="a-surrogate"),
        pytest.param("[" * 100_000, "is not valid JSON: it is nested too deeply", id="deep"),
        pytest.param(
            "[" * 100_000 + "]" * 100_000, "is not valid JSON: it is nested too deeply", id="deep-2"
        ),
        pytest.param(
            "9" * 100_000, "is not valid JSON: it has a number with too many digits", id="digits"
        ),
    ],
)
def test_anything_else_is_a_value_error_in_plain_words(content: str | bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=r"^is ") as caught:
        parse_json(content)

    assert type(caught.value) is ValueError
    assert str(caught.value) == problem


@pytest.mark.parametrize("content", ['{"a": 1, "a": 2}', '[{"b": {"a": 1, "c": 2, "a": 1}}]'])
def test_a_field_that_stands_twice_can_be_refused(content: str) -> None:
    with pytest.raises(ValueError, match=r"^is ambiguous: a field occurs twice in it$"):
        parse_json(content, strict=True)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[NaN]", "is not valid JSON, which has no NaN"),
        ('{"a": -Infinity}', "is not valid JSON, which has no -Infinity"),
        (r'"\ud800"', "is not valid JSON: it has half of a character"),
        (r'{"\uDFFF": 1}', "is not valid JSON: it has half of a character"),
    ],
)
def test_what_could_not_be_written_again_can_be_refused(content: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r"^is ") as caught:
        parse_json(content, strict=True)

    assert str(caught.value) == problem
    assert parse_json(content) is not None
    assert parse_json(r'"\ud83e\uddad"', strict=True) == "🦭"


@pytest.mark.parametrize("content", [b"[1, 2]", "[1, 2]"])
def test_too_long_a_text_is_not_read(content: str | bytes) -> None:
    assert parse_json(content, limit=6) == [1, 2]
    with pytest.raises(ValueError, match=r"^is longer than 5 bytes$"):
        parse_json(content, limit=5)


@pytest.mark.parametrize("content", ['{"password": "geheim', b'{"password": "geheim\xff"}'])
def test_an_error_carries_nothing_of_the_text(content: str | bytes) -> None:
    with pytest.raises(ValueError, match="JSON") as caught:
        parse_json(content)

    assert caught.value.__context__ is None
    assert "geheim" not in "".join(traceback.format_exception_only(caught.value))


@given(st.one_of(st.text(), st.binary()))
def test_no_text_raises_anything_but_a_value_error(content: str | bytes) -> None:
    try:
        parse_json(content, limit=1000)
    except ValueError as exc:
        assert str(exc).startswith("is ")  # noqa: PT017 (most texts are no JSON, some are)


@pytest.mark.parametrize(
    ("value", "an_object", "an_array", "a_count", "a_measure"),
    [
        ({}, True, False, False, False),
        ([], False, True, False, False),
        ("1", False, False, False, False),
        (None, False, False, False, False),
        (True, False, False, False, False),
        (0, False, False, True, True),
        (2**64 - 1, False, False, True, True),
        (2**64, False, False, False, False),
        (10**1000, False, False, False, False),
        (-1, False, False, False, False),
        (1.5, False, False, False, True),
        (-0.5, False, False, False, False),
        (float("inf"), False, False, False, False),
        (float("nan"), False, False, False, False),
    ],
)
def test_what_a_value_is(
    value: object,
    an_object: bool,  # noqa: FBT001 (a row of the table)
    an_array: bool,  # noqa: FBT001
    a_count: bool,  # noqa: FBT001
    a_measure: bool,  # noqa: FBT001
) -> None:
    assert is_object(value) == an_object
    assert is_array(value) == an_array
    assert is_count(value) == a_count
    assert is_measure(value) == a_measure
