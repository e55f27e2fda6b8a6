"""One table of options: what has to be written out elsewhere says the same."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from dataclasses import MISSING, Field, fields
from typing import TYPE_CHECKING, cast

import pytest

from ramalama.api.keywords import ServerKeywords
from ramalama.config.config import Config
from ramalama.config.option_table import OPTIONS, SERVER_OPTIONS, SETTINGS
from ramalama.config.options import ServeOptions
from ramalama.value_types import (
    ByteSize,
    FilePath,
    Flag,
    Instance,
    Parsed,
    Temperature,
    Text,
    Whole,
    Word,
)
from ramalama_chat.output.color import ColorMode

if TYPE_CHECKING:
    from ramalama.config.option_spec import OptionSpec
    from ramalama.value_types import ValueType

OPTION_FIELDS = {field.name: field for field in fields(ServeOptions) if field.name != "model"}
CONFIG_FIELDS = {
    field.name: field for field in fields(Config) if field.name not in {"sources", "warnings"}
}
TABLE = OPTIONS.values()


def default_of(field: Field[object]) -> object:
    """Return the default of a field, where an empty list, tuple or table is none."""
    if field.default_factory is not MISSING:
        assert not field.default_factory()
        return None
    return None if field.default == () else field.default


def annotation_of(kind: ValueType, default: object) -> str | None:
    """Return the type of a field as it is written there; None for a grammar of its own."""
    match kind:
        case Whole() | ByteSize():
            name = "int"
        case Temperature():
            name = "float"
        case Flag():
            name = "bool"
        case Text() | Word(words=tuple()):
            name = "str"
        case Word(words=words):
            name = cast("type", words).__name__
        case FilePath():
            name = "Path"
        case Instance(name="ModelRef"):
            name = "ModelRef"
        case _:
            return None
    return f"{name} | None" if default is None else name


def test_the_fields_of_a_call_are_the_tables() -> None:
    assert OPTION_FIELDS.keys() == {spec.field for spec in SERVER_OPTIONS}


def test_the_settings_are_the_tables() -> None:
    assert CONFIG_FIELDS.keys() == SETTINGS.keys()


def strict(hint: str) -> str:
    """Return the type that is left once words, texts and sequences are converted."""
    converted = re.sub(r"^Accepts\[(.*), [^,]*\]$", r"\1", hint)
    converted = re.sub(r" \| \w+Word\b", "", converted)
    converted = re.sub(r"\bstr \| Path(?: \| ModelRef)?\b", lambda it: it[0].split()[-1], converted)
    return re.sub(r"\bSequence\[(\w+)\]", r"tuple[\1, ...]", converted)


def test_the_keywords_of_the_library_are_the_fields_of_a_call_and_of_their_types() -> None:
    keywords = {name: hint.__forward_arg__ for name, hint in ServerKeywords.__annotations__.items()}

    assert {name: strict(hint) for name, hint in keywords.items()} == {
        name: strict(str(field.type)) for name, field in OPTION_FIELDS.items()
    }


@pytest.mark.parametrize("spec", SERVER_OPTIONS, ids=lambda spec: spec.field)
def test_a_field_has_the_tables_default_and_type(spec: OptionSpec) -> None:
    field = OPTION_FIELDS[spec.field]

    assert default_of(field) == (None if spec.default == () else spec.default)
    assert annotation_of(spec.given or spec.type, spec.default) in (None, strict(str(field.type)))


@pytest.mark.parametrize("key", SETTINGS)
def test_a_setting_has_the_tables_default_and_type(key: str) -> None:
    spec, field = SETTINGS[key], CONFIG_FIELDS[key]

    assert default_of(field) == (None if spec.default == () else spec.default)
    assert annotation_of(spec.type, spec.default) in (None, strict(str(field.type)))


@pytest.mark.parametrize("spec", TABLE, ids=lambda spec: spec.field)
def test_a_default_is_a_value_that_the_option_takes(spec: OptionSpec) -> None:
    if spec.default is not None and not isinstance(spec.type, Parsed):
        assert spec.type.check(spec.default) == spec.default
    assert spec.is_switch <= (spec.default is False)


@pytest.mark.parametrize("spec", SETTINGS.values(), ids=lambda spec: spec.key)
def test_the_example_of_a_setting_can_be_read_and_changes_it(spec: OptionSpec) -> None:
    value = tomllib.loads(f"value = {spec.example}")["value"]

    assert spec.type.read(value) != getattr(Config(), spec.key)


def test_no_name_and_no_variable_is_given_twice() -> None:
    for names in (
        [flag for spec in TABLE for flag in spec.flags],
        [variable for spec in TABLE for variable in spec.environment],
        [spec.key for spec in TABLE if spec.key],
    ):
        assert [name for name, count in Counter(names).items() if count > 1] == []


def test_the_words_for_colors_are_the_chats() -> None:
    assert SETTINGS["color"].type == Word(tuple(ColorMode))
