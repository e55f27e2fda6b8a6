"""Who fetches what, without a server."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ramalama.models.download.journal import Span, gaps, joined, prefix, total
from ramalama.models.download.limits import Limits
from ramalama.models.download.plan import Piece, Plan, Stopped, piece_length

LIMITS = Limits(parallel_from=100, shortest_piece=30, longest_piece=30, smallest_theft=5, notice=1)
SIZE = 200


@pytest.mark.parametrize(
    ("size", "length"),
    [
        (0, 1),
        (1, 1),
        (64 * 2**20 - 1, 64 * 2**20 - 1),
        (64 * 2**20, 16 * 2**20),
        (2**30, 32 * 2**20),
        (40 * 2**30, 64 * 2**20),
    ],
)
def test_little_files_come_whole_and_big_ones_in_pieces_of_16_to_64_mib(
    size: int, length: int
) -> None:
    assert piece_length(Limits(), size) == length


def test_work_is_given_out_from_the_beginning_and_without_what_is_there() -> None:
    plan = Plan(LIMITS, size=SIZE, written=(Span(10, 50), Span(80, 170)))

    taken = [plan.take() for _ in range(3)]

    assert [(p.start, p.end) for p in taken if p] == [(0, 10), (50, 80), (170, 200)]


def test_what_is_given_back_is_given_out_first() -> None:
    plan = Plan(LIMITS, size=SIZE)
    first, second = plan.take(), plan.take()
    assert first is not None
    assert second is not None
    plan.advance(first, 10)
    plan.put_back(first)

    again = plan.take()

    assert again is not None
    assert (again.start, again.end) == (10, 30)
    assert plan.spans() == (Span(0, 10),)


def test_half_of_the_longest_rest_is_taken_over_when_nothing_else_is_left() -> None:
    plan = Plan(replace(LIMITS, longest_piece=200, shortest_piece=100), size=SIZE)
    slow, slower = plan.take(), plan.take()
    assert slow is not None
    assert slower is not None
    plan.advance(slow, 60)

    stolen = plan.take()

    assert stolen is not None
    assert (stolen.start, stolen.end) == (150, 200)
    assert (slower.end, plan.room(slower, 80)) == (150, 50)


def test_bytes_that_another_stream_took_over_meanwhile_do_not_count_twice() -> None:
    plan = Plan(LIMITS, size=30)
    piece = plan.take()
    assert piece is not None
    assert plan.room(piece, 20) == 20
    stolen = plan.take()
    assert stolen is not None
    plan.advance(piece, 20)

    assert (piece.position, stolen.start) == (15, 15)
    assert piece.finished
    assert plan.written == 15


def test_a_short_rest_is_left_to_its_stream() -> None:
    plan = Plan(LIMITS, size=9)
    assert plan.take() is not None

    assert plan.take() is None


def test_a_file_of_unknown_size_is_one_piece_until_its_size_is_known() -> None:
    plan = Plan(LIMITS)
    piece = plan.take()
    assert piece is not None
    assert (piece.end, plan.take()) == (None, None)

    plan.learn_size(piece, SIZE)

    assert (piece.end, plan.has_work) == (30, True)


def test_a_size_beyond_all_measure_costs_nothing() -> None:
    plan = Plan(LIMITS, size=10**18)
    first, second = plan.take(), plan.take()

    assert [(p.start, p.end) for p in (first, second) if p] == [(0, 30), (30, 60)]


@pytest.mark.parametrize(("size", "shared"), [(99, False), (100, True)])
def test_only_big_files_are_worth_sharing(size: int, *, shared: bool) -> None:
    plan = Plan(LIMITS, size=size, written=(Span(40, 50),))
    plan.take()

    assert (plan.has_work, plan.worth_sharing) == (True, shared)


def test_a_file_of_unknown_size_ends_where_its_bytes_do() -> None:
    plan = Plan(LIMITS)
    piece = plan.take()
    assert piece is not None
    plan.advance(piece, 77)
    assert not plan.complete

    plan.end_here(piece)

    assert plan.complete
    assert plan.size == 77


def test_one_stream_may_take_all_only_where_there_is_nothing_yet() -> None:
    plan = Plan(LIMITS, size=SIZE)
    piece = plan.take()
    assert piece is not None
    assert plan.extend(piece)
    assert (piece.end, plan.has_work) == (SIZE, False)
    plan.advance(piece, 1)

    assert not plan.extend(piece)


def test_nothing_is_given_out_after_the_end() -> None:
    plan = Plan(LIMITS, size=SIZE)
    piece = plan.take()
    assert piece is not None
    plan.stop()

    with pytest.raises(Stopped):
        plan.take()
    with pytest.raises(Stopped):
        plan.room(piece, 1)
    with pytest.raises(Stopped):
        plan.wait_for_prefix(0)
    with pytest.raises(Stopped):
        plan.pause(1000)


def test_the_end_wakes_waiting_threads() -> None:
    plan = Plan(LIMITS, size=SIZE)
    woken: list[str] = []

    def wait() -> None:
        try:
            plan.wait_for_prefix(0)
        except Stopped:
            woken.append("woken")

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    plan.stop()
    thread.join(20)

    assert woken == ["woken"]


def test_more_of_the_prefix_wakes_threads_that_wait_for_it() -> None:
    plan = Plan(LIMITS, size=SIZE)
    piece = plan.take()
    assert piece is not None
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(plan.wait_for_prefix(0)), daemon=True)
    thread.start()
    plan.advance(piece, 25)
    thread.join(20)

    assert seen == [25]


class Streams(RuleBasedStateMachine):
    """Any number of streams in any order, and what is always true of a plan."""

    def __init__(self) -> None:
        super().__init__()
        self.plan = Plan(LIMITS, size=SIZE, written=(Span(40, 50), Span(120, 180)))
        self.pieces: list[Piece] = []
        self.there = {*range(40, 50), *range(120, 180)}

    @rule()
    def a_stream_begins(self) -> None:
        if (piece := self.plan.take()) is not None:
            self.pieces.append(piece)

    @precondition(lambda self: self.pieces)
    @rule(choice=st.integers(0, 100), count=st.integers(1, 40))
    def bytes_come(self, choice: int, count: int) -> None:
        piece = self.pieces[choice % len(self.pieces)]
        room = self.plan.room(piece, count)
        new = set(range(piece.position, piece.position + room))
        assert self.there.isdisjoint(new)
        self.there |= new
        self.plan.advance(piece, room)

    @precondition(lambda self: self.pieces)
    @rule(choice=st.integers(0, 100))
    def a_stream_gives_up(self, choice: int) -> None:
        self.plan.put_back(self.pieces.pop(choice % len(self.pieces)))

    @invariant()
    def what_is_there_is_known(self) -> None:
        spans = self.plan.spans()
        assert {place for span in spans for place in range(*span)} == self.there
        assert self.plan.written == total(spans) == len(self.there)
        assert self.plan.complete == (len(self.there) == SIZE)

    @invariant()
    def nothing_is_fetched_twice_and_nothing_forgotten(self) -> None:
        fetched = [Span(p.position, p.end) for p in self.pieces if p.end is not None]
        places = [place for span in fetched for place in range(*span)]
        assert len(places) == len(set(places))
        assert self.there.isdisjoint(places)
        waiting = total(gaps(joined([*self.plan.spans(), *fetched]), SIZE))
        assert (waiting > 0) == self.plan.has_work


TestStreams = Streams.TestCase


@given(st.lists(st.integers(1, 50), min_size=1))
def test_the_prefix_grows_with_the_first_piece(counts: list[int]) -> None:
    plan = Plan(LIMITS)
    piece = plan.take()
    assert piece is not None
    for count in counts:
        plan.advance(piece, count)

    assert prefix(plan.spans()) == sum(counts)
