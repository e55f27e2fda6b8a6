"""How many streams there should be."""

from __future__ import annotations

from ramalama.models.download.transfer import AdaptiveConcurrency


def test_more_streams_are_added_while_they_bring_more() -> None:
    concurrency = AdaptiveConcurrency(4, 8)
    numbers: list[int] = []
    written = 0
    for second, speed in enumerate([0, 240, 360, 480, 480]):
        written += speed
        concurrency.observe(written, float(second))
        numbers.append(concurrency.streams)

    assert numbers == [4, 6, 8, 8, 8]


def test_none_are_added_when_the_last_ones_brought_nothing() -> None:
    concurrency = AdaptiveConcurrency(4, 8)
    for second in range(6):
        concurrency.observe(100 * second, float(second))

    assert concurrency.streams == 6


def test_a_second_must_pass_before_it_is_judged() -> None:
    concurrency = AdaptiveConcurrency(4, 8)
    for moment in range(10):
        concurrency.observe(moment, moment / 10)

    assert concurrency.streams == 4


def test_a_server_that_is_still_silent_is_not_judged() -> None:
    concurrency = AdaptiveConcurrency(4, 8)
    for second, written in enumerate([0, 0, 0, 100]):
        concurrency.observe(written, float(second))

    assert concurrency.streams == 6


def test_a_server_that_wants_fewer_is_given_fewer_from_then_on() -> None:
    concurrency = AdaptiveConcurrency(4, 8)
    concurrency.retire()
    for second in range(3):
        concurrency.observe(2**second, float(second))

    assert concurrency.streams == 3
