"""The labelled questions of tests/data/rag, as far as their documents are here."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[4]
OWN: dict[str, Any] = tomllib.loads((ROOT / "tests/data/rag/own_pages.toml").read_text())
MANUAL: dict[str, Any] = tomllib.loads((ROOT / "tests/data/rag/manual_pages.toml").read_text())
QUESTIONS: list[dict[str, Any]] = [
    question for question in OWN["question"] if question["page"].startswith("ramalama")
]


def test_there_are_as_many_pages_and_questions_as_the_readme_says() -> None:
    assert (len(MANUAL["pages"]), len(set(MANUAL["pages"]))) == (40, 40)
    assert (len(MANUAL["packages"]), len(MANUAL["question"])) == (20, 28)
    assert (len(OWN["question"]), len(QUESTIONS)) == (63, 48)


def test_every_question_is_asked_once_of_a_page_that_there_is() -> None:
    asked = Counter(question["text"] for question in (*OWN["question"], *MANUAL["question"]))
    translated = {f"{name.split('/')[1]}.{name.split('/')[0]}" for name in OWN["translated"]}
    pages = {*MANUAL["pages"], *translated, *(page.stem for page in (ROOT / "docs").glob("*.md"))}

    assert set(asked.values()) == {1}
    for question in (*OWN["question"], *MANUAL["question"]):
        named = question["page"] if isinstance(question["page"], list) else [question["page"]]
        assert pages.issuperset(named), question


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question["text"])
def test_our_own_pages_still_say_what_answers_a_question(question: dict[str, Any]) -> None:
    text = (ROOT / "docs" / f"{question['page']}.md").read_text()

    assert re.search(question["has"], " ".join(text.split()))
