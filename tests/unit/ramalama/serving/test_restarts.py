"""When a server is started again: a decision about times and exit codes."""

from __future__ import annotations

import pytest

from ramalama import OptionRefused, Restarts, ServerExited
from ramalama.serving.restarts import is_death

DIED = ServerExited("it ended", hint="do something", exit_code=137, log_tail=("a line",))


@pytest.mark.parametrize(
    ("deaths", "allowed"),
    [
        ([], True),
        ([0.0], True),
        ([0.0, 1.0], True),
        ([0.0, 1.0, 2.0], False),
        ([0.0, 1.0, 11.0], True),
        ([0.0, 1.0, 10.0], False),
        ([0.0, 20.0, 40.0, 60.0, 80.0], True),
    ],
)
def test_a_server_may_die_so_often_within_some_time(deaths: list[float], *, allowed: bool) -> None:
    assert Restarts(most=2, within=10).allow(deaths) is allowed


def test_none_may_be_allowed_and_any_number() -> None:
    assert not Restarts(most=0).allow([5.0])
    assert Restarts(most=1, within=0).allow([1.0, 2.0, 3.0])


def test_by_default_five_deaths_a_minute_are_allowed() -> None:
    assert Restarts() == Restarts(most=5, within=60.0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"most": -1}, "most is a whole number, 0 or more, not -1"),
        ({"most": True}, "most is a whole number, 0 or more, not True"),
        ({"most": 2.5}, "most is a whole number, 0 or more, not 2.5"),
        ({"within": -1}, "within is a number of seconds, 0 or more, not -1"),
        ({"within": None}, "within is a number of seconds, 0 or more, not None"),
        ({"within": float("nan")}, "within is a number of seconds, 0 or more, not nan"),
    ],
)
def test_values_that_make_no_sense_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(OptionRefused) as caught:
        Restarts(**values)  # type: ignore[arg-type]  # that is the point

    assert caught.value.message == message


def test_the_last_error_says_how_often_it_has_died_and_why() -> None:
    error = Restarts(most=1, within=60).give_up(DIED, [0.0, 100.0, 101.0])

    assert error.message == "it ended; it has died 2 times in 60 s and is not started again"
    assert (error.hint, error.exit_code, error.log_tail) == ("do something", 137, ("a line",))
    assert "it has died once in 60 s" in str(Restarts(most=0).give_up(DIED, [1.0]))


@pytest.mark.parametrize(
    ("code", "oom_killed", "engine_was_away", "died"),
    [
        (137, False, False, True),
        (139, False, False, True),
        (1, False, False, True),
        (None, False, False, True),
        (0, False, False, False),  # `podman stop`
        (143, False, False, False),
        (0, True, False, True),
        (0, False, True, True),  # the engine was restarted
    ],
)
def test_a_container_that_was_asked_to_end_has_not_died(
    code: int | None, *, oom_killed: bool, engine_was_away: bool, died: bool
) -> None:
    assert is_death(code, oom_killed=oom_killed, engine_was_away=engine_was_away) is died
