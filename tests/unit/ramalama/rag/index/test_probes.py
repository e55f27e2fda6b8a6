"""The floor below which a passage says nothing about a question."""

from __future__ import annotations

import pytest

from ramalama.rag.index.probes import PROBES, floor_of

BETWEEN = (0.1, 0.05, 0.35)


def test_the_floor_is_apart_from_what_unrelated_questions_find() -> None:
    best = [0.13, 0.15, 0.16, 0.17, 0.17, 0.18, 0.2, 0.22, 0.25]

    assert floor_of(best, BETWEEN) == pytest.approx(0.22 + 0.05)


def test_one_probe_that_the_documents_answer_by_chance_changes_nothing() -> None:
    best = [0.13, 0.15, 0.16, 0.17, 0.17, 0.18, 0.2, 0.22]

    assert floor_of([*best, 0.7], BETWEEN) == floor_of([*best, 0.25], BETWEEN)


def test_documents_about_all_the_world_do_not_raise_the_floor_for_all_questions() -> None:
    best = [0.4, 0.5, 0.55, 0.6, 0.6, 0.65, 0.7, 0.7]

    assert floor_of(best, BETWEEN) == 0.35


def test_without_probes_there_is_no_floor() -> None:
    assert floor_of([], []) == 0
    assert floor_of([0.5], [0.5]) == 0


def test_no_probe_comes_twice() -> None:
    assert len(set(PROBES)) == len(PROBES)
