from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING

import pytest

from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable


@frozen()
class Login:
    """A person, and where they are known from."""

    name: str
    groups: tuple[str, ...] = ()
    notes: dict[str, str] = field(default_factory=dict[str, str])
    password: str = field(default="", repr=False)


@frozen(kw_only=False)
class Point:
    """Where something is."""

    x: int
    y: int = 0


@frozen()
class Loud:
    """A value that says of itself what it wants."""

    word: str

    def __repr__(self) -> str:
        return self.word.upper()


@frozen()
class Positive:
    """A number of things, of which there is one at least."""

    number: int

    def __post_init__(self) -> None:
        if self.number < 1:
            raise ValueError(self.number)


@dataclass(frozen=True, slots=True)
class Ordinary:
    """What the standard library makes of the same fields as `Point`'s."""

    x: int
    y: int = 0


def call(make: Callable[..., object], *words: str) -> object:
    """Call *make* in a way that type checkers would refuse."""
    return make(*words)


def pickled(login: Login) -> Login:
    again: Login = pickle.loads(pickle.dumps(login))  # noqa: S301 (our own)
    return again


def test_a_value_has_what_it_was_given_and_the_defaults_of_the_rest() -> None:
    login = Login(name="ada", groups=("staff",))

    assert (login.name, login.groups, login.notes, login.password) == ("ada", ("staff",), {}, "")


def test_every_value_gets_a_default_of_its_own_from_a_factory() -> None:
    assert Login(name="ada").notes is not Login(name="ada").notes


@pytest.mark.parametrize("make", [Point, Ordinary])
@pytest.mark.parametrize(
    ("positional", "named"), [((1, 2), {}), ((1,), {"y": 2}), ((), {"x": 1, "y": 2})]
)
def test_positions_and_names_fill_fields_as_in_any_dataclass(
    make: Callable[..., Point], positional: tuple[int, ...], named: dict[str, int]
) -> None:
    point = make(*positional, **named)

    assert (point.x, point.y) == (1, 2)


@pytest.mark.parametrize("make", [Point, Ordinary])
@pytest.mark.parametrize(
    ("positional", "named"),
    [((), {}), ((1, 2, 3), {}), ((1,), {"x": 1}), ((1,), {"z": 1}), ((), {"y": 1})],
)
def test_missing_unknown_and_surplus_arguments_are_refused_as_in_any_dataclass(
    make: Callable[..., object], positional: tuple[int, ...], named: dict[str, int]
) -> None:
    with pytest.raises(TypeError, match=r"argument|needs 'x'|has no 'z'"):
        make(*positional, **named)


def test_positions_are_refused_where_names_are_asked_for() -> None:
    with pytest.raises(TypeError, match=r"^Login\(\) got too many arguments"):
        call(Login, "ada")


def test_a_class_may_check_its_values_when_they_are_made() -> None:
    assert Positive(number=1).number == 1
    with pytest.raises(ValueError, match="0"):
        Positive(number=0)
    with pytest.raises(ValueError, match="-1"):
        replace(Positive(number=1), number=-1)


def test_a_value_never_changes() -> None:
    point = Point(1)

    with pytest.raises(FrozenInstanceError, match="'x' of a Point cannot be changed"):
        setattr(point, "x", 2)  # noqa: B010 (type checkers refuse the plain form)
    with pytest.raises(FrozenInstanceError, match="'x' of a Point cannot be changed"):
        delattr(point, "x")
    assert point == Point(1)


def test_a_value_has_no_room_for_anything_else() -> None:
    assert not hasattr(Point(1), "__dict__")


def test_equal_values_are_equal_and_hash_alike_and_other_classes_are_different() -> None:
    assert Point(1) == Point(1, 0)
    assert Point(1) != Point(2)
    others: tuple[object, ...] = (Ordinary(1), (1, 0), None)
    assert Point(1) not in others
    assert {Point(1), Point(1, 0), Point(2)} == {Point(1), Point(2)}


def test_it_shows_its_fields_but_no_secret() -> None:
    login = Login(name="ada", password="x7")  # noqa: S106 (made up)

    assert repr(login) == "Login(name='ada', groups=(), notes={})"


def test_a_method_of_the_class_itself_wins() -> None:
    assert repr(Loud(word="no")) == "NO"


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, pickled])
def test_a_copy_equals_its_original(again: Callable[[Login], Login]) -> None:
    login = Login(name="ada", notes={"a": "b"})

    assert again(login) == login


def test_the_standard_library_takes_it_for_a_dataclass() -> None:
    login = Login(name="ada")

    assert [each.name for each in fields(Login)] == ["name", "groups", "notes", "password"]
    assert replace(login, name="bob") == Login(name="bob")
    assert asdict(Point(1, 2)) == {"x": 1, "y": 2}
    assert is_dataclass(Login)


def test_patterns_match_its_fields() -> None:
    match Point(1, 2):
        case Point(1, y):
            found = y
        case _:
            found = 0

    assert found == 2
