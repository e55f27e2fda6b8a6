"""What the value of an option can be, wherever it comes from.

Each type has two ways in. ``read`` takes what a file, a variable or the command line says: a text,
or what TOML has made of one. ``check`` takes what a caller of the library passes, and is strict:
"3" is no number there. Both return the value in its own type. The message of their ValueError is
`expected`, the end of the sentence "… is not …", so that all places say the same.

Types without fields are plain classes: a dataclass takes a tenth of a millisecond to make.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from enum import StrEnum
    from typing import Protocol

    class ValueType(Protocol):
        """What the value of an option can be."""

        @property
        def expected(self) -> str:
            """What a value has to be, for messages and the manual: "a text"."""
            ...

        def read(self, value: object) -> object:
            """Read what a user wrote.

            Raises:
                ValueError: the value is not what is `expected`.
            """
            ...

        def check(self, value: object) -> object:
            """Check what a caller of the library passed; None is for the caller to handle.

            Raises:
                ValueError: the value is not what is `expected`.
            """
            ...


_TRUE = frozenset({"1", "true", "on", "yes", "y"})
_FALSE = frozenset({"0", "false", "off", "no", "n"})


@frozen()
class Whole:
    """A whole number.

    Attributes:
        least: the smallest.
        most: the largest; None is no limit.
        words: texts that stand for numbers.
        name: what to call it in messages, instead of naming the limits.
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
        if not 0 <= value < float("inf"):  # NaN is not, either
            raise ValueError(self.expected)
        return value


class Flag:
    """Yes or no."""

    expected = "true or false"

    def read(self, value: object) -> bool:
        """Read true, 1, on, yes, y and their opposites."""
        word = str(value).lower()
        if word not in _TRUE | _FALSE:
            raise ValueError(self.expected)
        return word in _TRUE

    def check(self, value: object) -> bool:
        """See `ValueType`."""
        if not isinstance(value, bool):  # "no" would be as good as True
            raise ValueError(self.expected)  # noqa: TRY004 (the one error of all types)
        return value


@frozen(kw_only=False)
class Word:
    """One of a closed set of words; a text that spells a member of an enumeration becomes it."""

    words: type[StrEnum] | tuple[str, ...]

    @property
    def expected(self) -> str:
        """See `ValueType`."""
        return f"one of {', '.join(self.words)}"

    def read(self, value: object) -> str:
        """See `ValueType`."""
        text = str(value)
        for word in self.words:
            if word == text:
                return word
        raise ValueError(self.expected)

    check = read


class Text:
    """A text that an operating system can take, at least one character."""

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


@frozen(kw_only=False)
class Parsed:
    """A value with a grammar of its own; a caller of the library passes what *parse* returns."""

    parse: Callable[[object], object]
    expected: str

    def read(self, value: object) -> object:
        """See `ValueType`; the message is that of *parse*."""
        return self.parse(value)

    def check(self, value: object) -> object:
        """Return the value as it is: its own class has checked it."""
        return value


class Words:
    """Several words, as a tuple."""

    expected = "a tuple of words"

    def read(self, value: object) -> object:
        """See `ValueType`."""
        return self.check(value)

    def check(self, value: object) -> object:
        """See `ValueType`."""
        if isinstance(value, str):  # which is a sequence of texts, too
            raise ValueError(self.expected)  # noqa: TRY004 (the one error of all types)
        return value


def show(value: object) -> str:
    """Write a value into a message, at most 100 characters of it."""
    try:
        return f"{value!r:.100}"
    except ValueError:  # Python writes out no number of more than 4300 digits
        return "a very long number"
