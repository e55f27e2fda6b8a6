"""The types of the values of options and settings: how they are read and checked.

Each type has two methods. ``read`` converts the value of a file, a variable or the command line: a
text, or a value that the TOML parser has made. ``check`` takes the value of a caller of the
library, and is strict: it rejects "3" as a number. Both return the value in its own type. The
message of their ValueError is `expected`, the end of the sentence "… is not …", so that all
messages are the same.

Types without fields are plain classes: a dataclass takes a tenth of a millisecond to make.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import MISSING, field, fields
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, cast

from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from enum import StrEnum
    from typing import Protocol

    from _typeshed import DataclassInstance

    from ramalama_values.errors import RamalamaError

    class ValueType(Protocol):
        """The type of the value of an option."""

        @property
        def expected(self) -> str:
            """A description of valid values, for messages and the manual: "a text"."""
            ...

        def read(self, value: object) -> object:
            """Convert the value that a user wrote.

            Raises:
                ValueError: the value is not what is `expected`.
            """
            ...

        def check(self, value: object) -> object:
            """Check a value that a caller of the library passed; it is never None.

            Raises:
                ValueError: the value is not what is `expected`.
            """
            ...


_TRUE = frozenset({"1", "true", "on", "yes", "y"})
_FALSE = frozenset({"0", "false", "off", "no", "n"})
_BYTE_UNITS = {"b": 0, "k": 10, "m": 20, "g": 30, "t": 40}  # powers of 2
_TOO_LARGE = 2**63
_MOST_DIGITS = 18


@frozen()
class Whole:
    """A whole number.

    Attributes:
        least: the smallest valid number.
        most: the largest valid number; None means no limit.
        words: texts that stand for numbers.
        name: the description in messages; "" uses the limits.
    """

    least: int
    most: int | None = None
    words: Mapping[str, int] = field(default_factory=dict[str, int])
    name: str = ""

    @property
    def expected(self) -> str:
        """See `ValueType`."""
        if self.name:
            return self.name
        if self.most is not None:
            return f"a whole number from {self.least} to {self.most}"
        return f"a whole number of {self.least} or more"

    def read(self, value: object) -> int:
        """See `ValueType`."""
        text = str(value)
        try:
            number = self.words[text] if text in self.words else int(text)
        except ValueError:
            raise ValueError(self.expected) from None
        return self.check(number)

    def check(self, value: object) -> int:
        """See `ValueType`."""
        if (
            not isinstance(value, int)
            or isinstance(value, bool)
            or value < self.least
            or (self.most is not None and value > self.most)
        ):
            raise ValueError(self.expected)
        return value


class Temperature:
    """A finite number of 0 or more."""

    expected = "a temperature of 0 or more"

    def read(self, value: object) -> float:
        """See `ValueType`."""
        try:
            number = float(str(value))
        except ValueError:
            raise ValueError(self.expected) from None
        return self.check(number)

    def check(self, value: object) -> float:
        """See `ValueType`."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(self.expected)  # noqa: TRY004 (the one error of all types)
        if not 0 <= value < float("inf"):  # also rejects NaN
            raise ValueError(self.expected)
        return value


class ByteSize:
    """A number of bytes, at most 2**63 - 1; the units are those of podman-run(1), `--memory`."""

    expected = "a size such as 512m or 8g, or none"

    def read(self, value: object) -> int:
        """Read a number with the unit b, k, m, g or t, or without one; none is 0."""
        text = str(value).lower()
        digits, unit = (text[:-1], text[-1]) if text[-1:] in _BYTE_UNITS else (text, "b")
        if text == "none":
            digits = "0"
        if not digits.isdecimal() or len(digits) > _MOST_DIGITS:
            raise ValueError(self.expected)
        return self.check(int(digits) << _BYTE_UNITS[unit])

    def check(self, value: object) -> int:
        """See `ValueType`; the message says that a caller of the library gives bytes."""
        if not isinstance(value, int) or isinstance(value, bool):
            msg = "a number of bytes, 0 for none"
            raise ValueError(msg)  # noqa: TRY004 (the one error of all types)
        if not 0 <= value < _TOO_LARGE:
            raise ValueError(self.expected)
        return value


class Flag:
    """A boolean."""

    expected = "true or false"

    def read(self, value: object) -> bool:
        """Read true, 1, on, yes, y and their opposites."""
        word = str(value).lower()
        if word not in _TRUE | _FALSE:
            raise ValueError(self.expected)
        return word in _TRUE

    def check(self, value: object) -> bool:
        """See `ValueType`."""
        if not isinstance(value, bool):  # otherwise "no" would count as True
            raise ValueError(self.expected)  # noqa: TRY004 (the one error of all types)
        return value


@frozen(kw_only=False)
class Word:
    """One of a fixed set of words; a text is converted to the enumeration member it names.

    *synonyms* are other texts, and the words that they stand for.
    """

    words: type[StrEnum] | tuple[str, ...]
    synonyms: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def expected(self) -> str:
        """See `ValueType`."""
        return f"one of {', '.join((*self.words, *self.synonyms))}"

    def read(self, value: object) -> str:
        """See `ValueType`."""
        text = str(value)
        text = self.synonyms.get(text, text)
        for word in self.words:
            if word == text:
                return word
        raise ValueError(self.expected)

    check = read


class Text:
    """A text of at least one character, without NUL."""

    expected = "a text"
    may_be_empty = False

    def read(self, value: object) -> str:
        """See `ValueType`."""
        if not isinstance(value, str) or not (value or self.may_be_empty) or "\0" in value:
            raise ValueError(self.expected)
        return value

    check = read


class AnyText(Text):
    """A text that may be empty."""

    may_be_empty = True


class DirectoryName(Text):
    """A text that names a directory; a caller of the library may pass a path."""

    def check(self, value: object) -> str:
        """See `ValueType`."""
        return self.read(
            os.fspath(cast("os.PathLike[str]", value)) if isinstance(value, os.PathLike) else value
        )


class VariableName(Text):
    """The name of an environment variable."""

    def read(self, value: object) -> str:
        """See `ValueType`."""
        name = super().read(value)
        if "=" in name:
            raise ValueError(self.expected)
        return name

    check = read


class TextOrPath:
    """A text; a caller of the library may pass a path, which never means anything else."""

    expected = "a text or a path"

    def read(self, value: object) -> str:
        """See `ValueType`."""
        if not isinstance(value, str) or not value or "\0" in value:
            raise ValueError(self.expected)
        return value

    def check(self, value: object) -> str:
        """See `ValueType`."""
        if isinstance(value, os.PathLike):
            return self.read(os.path.join(os.curdir, cast("os.PathLike[str]", value)))  # noqa: PTH118 (keeps "./")
        return self.read(value)


class FilePath:
    """A path of the file system; a caller of the library may pass it as text, too."""

    expected = "a path"

    def read(self, value: object) -> Path:
        """See `ValueType`."""
        text = os.fspath(cast("str", value)) if isinstance(value, os.PathLike) else value
        if not isinstance(text, str) or not text or "\0" in text:
            raise ValueError(self.expected)
        return Path(text)

    check = read


@frozen(kw_only=False)
class Parsed:
    """A value with its own syntax.

    *given* is the type of what a caller of the library passes; None if it is parsed, too.
    """

    parse: Callable[[object], object]
    expected: str
    given: ValueType | None = None

    def read(self, value: object) -> object:
        """See `ValueType`; the message is that of *parse*."""
        return self.parse(value)

    def check(self, value: object) -> object:
        """See `ValueType`."""
        return self.parse(value) if self.given is None else self.given.check(value)


@frozen(kw_only=False)
class Instance:
    """An object of a class, or a union of them: *name* in *module*, which is imported late."""

    module: str
    name: str
    expected: str

    def read(self, value: object) -> object:
        """See `ValueType`."""
        from importlib import import_module  # noqa: PLC0415 (few values are objects)

        kind: object = getattr(import_module(self.module), self.name)
        if not isinstance(kind, type | UnionType) or not isinstance(value, kind):
            raise ValueError(self.expected)  # noqa: TRY004 (the one error of all types)
        return value

    check = read


@frozen(kw_only=False)
class ListOf:
    """Several values of one type, as a tuple; a list is converted."""

    item: ValueType
    expected: str

    def read(self, value: object) -> tuple[object, ...]:
        """See `ValueType`."""
        if not isinstance(value, list | tuple):  # a text is also a sequence of texts
            raise ValueError(self.expected)  # noqa: TRY004 (the one error of all types)
        try:
            return tuple(map(self.item.check, cast("tuple[object, ...]", value)))
        except ValueError:
            raise ValueError(self.expected) from None

    check = read


@frozen(kw_only=False)
class TableOf:
    """A mapping from names to values of one type, which is copied."""

    item: ValueType
    expected: str
    key: ValueType = field(default_factory=Text)

    def read(self, value: object) -> dict[object, object]:
        """See `ValueType`."""
        if not isinstance(value, Mapping):
            raise ValueError(self.expected)  # noqa: TRY004 (the one error of all types)
        table = dict(cast("Mapping[object, object]", value))
        try:
            return {self.key.check(key): self.item.check(each) for key, each in table.items()}
        except ValueError:
            raise ValueError(self.expected) from None

    check = read


def checked(
    values: object,
    types: Mapping[str, ValueType],
    error: type[RamalamaError],
    *,
    secret: Collection[str] = (),
) -> None:
    """Check the fields of a frozen class in its ``__post_init__``, and convert them to their types.

    A field is None only if that is its default. A message does not show the value of a *secret*.

    Raises:
        RamalamaError: an *error* that begins with the name of the field, if its value is invalid.
    """
    for each in fields(cast("DataclassInstance", values)):
        value: object = getattr(values, each.name)
        if value is None and each.default is None:
            continue
        try:
            converted = types[each.name].check(value)
        except ValueError as exc:
            is_secret = each.name in secret
            problem = f"is not {exc}" if is_secret else f"is {exc}, not {show(value)}"
            msg = f"{each.name} {problem}"
            raise error(msg) from None
        object.__setattr__(values, each.name, converted)


def brief(values: object, *, secret: Collection[str] = ()) -> str:
    """Return the repr of a frozen object without the fields that have their defaults.

    Of the variables in a *secret* field, which may be passwords, only the names are shown.
    """
    shown: list[str] = []
    for each in fields(cast("DataclassInstance", values)):
        value: object = getattr(values, each.name)
        factory = each.default_factory
        default = each.default if factory is MISSING else factory()
        if not each.repr or value == default:
            continue
        if each.name in secret:
            value = sorted(str(name).partition("=")[0] for name in cast("Iterable[object]", value))
        shown.append(f"{each.name}={value!r}")
    return f"{type(values).__qualname__}({', '.join(shown)})"


def show(value: object) -> str:
    """Return a value as text for a message, at most 100 characters."""
    try:
        return f"{value!r:.100}"
    except ValueError:  # Python converts no number of more than 4300 digits to text
        return "a very long number"
