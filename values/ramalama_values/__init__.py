"""Frozen dataclasses that share their methods, so that a program starts faster.

For each frozen class `dataclasses` generates the source of six methods and compiles it. That takes
a third of a millisecond for five fields, in Python 3.11 and 3.13, and the program imports fifty
such classes before it creates a container. The classes of this module share one set of methods,
which look up the fields when they are called. That saves 16 ms of 130 ms at the start of a
container, and costs a few microseconds for each new object.
"""

from __future__ import annotations

from dataclasses import MISSING, FrozenInstanceError, dataclass, field, fields
from typing import TYPE_CHECKING, Generic, TypeVar, cast, dataclass_transform

if TYPE_CHECKING:
    from _collections_abc import dict_items, dict_keys, dict_values
    from collections.abc import Callable, Iterator
    from dataclasses import Field
    from typing import ClassVar, Protocol

    class _Value(Protocol):
        """A class made by `frozen`; ``__own_fields__`` is what `dataclasses.fields` returns."""

        __dataclass_fields__: ClassVar[dict[str, Field[object]]]
        __own_fields__: ClassVar[tuple[Field[object], ...]]


__all__ = ["Accepts", "LateAnnotations", "accepts", "frozen"]

T = TypeVar("T")
Also_contra = TypeVar("Also_contra", contravariant=True)


class Accepts(Generic[T, Also_contra]):
    """The type of a field that holds a T and whose constructor takes something else, too.

    For type checkers it is a descriptor (PEP 681). At run time it is T, and ``__post_init__`` must
    convert the value.
    """

    if TYPE_CHECKING:

        def __get__(self, instance: object, owner: object = None) -> T: ...
        def __set__(self, instance: object, value: T | Also_contra) -> None: ...

    else:

        def __class_getitem__(cls, types: tuple[object, object]) -> object:
            return types[0]


def accepts(*, default: T) -> Accepts[T, object]:
    """Return *default*, which a field has whose type is `Accepts`."""
    return cast("Accepts[T, object]", default)


class LateAnnotations(dict[str, object]):
    """Annotations whose names are imported when they are first read; see `type_hints`.

    Every way to read all of them is overridden; ``dict(annotations)`` calls `keys`, since there is
    an ``__iter__``.
    """

    def __init__(self, annotations: dict[str, object], *, module: str) -> None:
        super().__init__(annotations)
        self._module = module

    def __iter__(self) -> Iterator[str]:
        self._complete()
        return super().__iter__()

    def keys(self) -> dict_keys[str, object]:
        """See `dict`."""
        self._complete()
        return super().keys()

    def values(self) -> dict_values[str, object]:
        """See `dict`."""
        self._complete()
        return super().values()

    def items(self) -> dict_items[str, object]:
        """See `dict`."""
        self._complete()
        return super().items()

    def _complete(self) -> None:
        from ramalama_values.type_hints import complete  # noqa: PLC0415 (rarely used)

        complete(self._module)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field, accepts))
def frozen(*, kw_only: bool = True) -> Callable[[type[T]], type[T]]:
    """Return a decorator like `@dataclass(frozen=True, slots=True, kw_only=True)`.

    `fields`, `replace`, `asdict`, ``match``, `copy` and `pickle` work with the class, and its
    ``__post_init__`` is called. Fields with ``init=False`` and `InitVar` are not supported.
    """

    def make(cls: type[T]) -> type[T]:
        of_its_own = frozenset(vars(cls))
        made = dataclass(init=False, repr=False, eq=False, slots=True, kw_only=kw_only)(cls)
        own_fields = fields(cast("type[_Value]", made))
        for name, value in {"__own_fields__": own_fields, **_METHODS}.items():
            if name not in of_its_own:
                setattr(made, name, value)
        if own := vars(made).get("__annotations__"):
            made.__annotations__ = LateAnnotations(own, module=made.__module__)
        return made

    return make


def _init(self: _Value, /, *positional: object, **named: object) -> None:
    if positional:
        named = _named(self, positional, named)
    for each in self.__own_fields__:
        if each.name in named:
            value = named.pop(each.name)
        elif each.default is not MISSING:
            value = each.default
        elif each.default_factory is not MISSING:
            value = each.default_factory()
        else:
            raise _misuse(self, f"needs {each.name!r}")
        object.__setattr__(self, each.name, value)
    if named:
        raise _misuse(self, f"has no {', '.join(map(repr, named))}")
    if check := getattr(self, "__post_init__", None):
        check()


def _named(
    self: _Value, positional: tuple[object, ...], named: dict[str, object]
) -> dict[str, object]:
    """Return all arguments by name."""
    names = [each.name for each in self.__own_fields__ if not each.kw_only]
    given = dict(zip(names, positional, strict=False)) | named
    if len(given) < len(positional) + len(named):
        raise _misuse(self, "got too many arguments, or the same one twice")
    return given


def _misuse(self: object, problem: str) -> TypeError:
    return TypeError(f"{type(self).__qualname__}() {problem}")


def _repr(self: _Value) -> str:
    shown = [each.name for each in self.__own_fields__ if each.repr]
    values = (f"{name}={getattr(self, name)!r}" for name in shown)
    return f"{type(self).__qualname__}({', '.join(values)})"


def _values(self: _Value) -> tuple[object, ...]:
    return tuple([getattr(self, each.name) for each in self.__own_fields__])


def _eq(self: _Value, other: _Value) -> bool:
    return _values(self) == _values(other) if type(other) is type(self) else NotImplemented


def _hash(self: _Value) -> int:
    return hash(_values(self))


def _restore(self: _Value, state: tuple[object, ...]) -> None:
    for each, value in zip(self.__own_fields__, state, strict=True):
        object.__setattr__(self, each.name, value)


def _refuse(self: object, name: str, _value: object = None) -> None:
    msg = f"{name!r} of a {type(self).__qualname__} cannot be changed; make another with replace()"
    raise FrozenInstanceError(msg)


_METHODS: dict[str, Callable[..., object]] = {
    "__init__": _init,
    "__repr__": _repr,
    "__eq__": _eq,
    "__hash__": _hash,
    "__getstate__": _values,
    "__setstate__": _restore,
    "__setattr__": _refuse,
    "__delattr__": _refuse,
}
