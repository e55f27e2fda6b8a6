"""The library's reference: it can be built, and leaves no public name out."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import ramalama
import ramalama.testing

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts/reference.py"


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("reference")
    command = [sys.executable, str(SCRIPT), str(directory)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return directory


def headings(reference: Path) -> list[str]:
    texts = [page.read_text(encoding="utf-8") for page in reference.glob("*.md")]
    return [name for text in texts for name in re.findall(r"^## `(\w+)`$", text, re.MULTILINE)]


def test_every_public_name_is_described_once(reference: Path) -> None:
    described = headings(reference)

    assert [name for name in ramalama.__all__ if described.count(name) != 1] == ["__version__"]


def test_what_tests_are_made_with_is_described(reference: Path) -> None:
    described = headings(reference)

    assert [name for name in ramalama.testing.__all__ if name not in described] == ["Answers"]


def test_no_link_leads_to_a_place_that_is_not_there(reference: Path) -> None:
    pages = {page.name: page.read_text("utf-8") for page in reference.glob("*.md")}
    dead = [
        f"{name}: {target}"
        for name, text in pages.items()
        for target in re.findall(r"\]\((?!https?://)([^)]*)\)", text)
        if target not in pages
    ]

    assert pages
    assert dead == []


@pytest.mark.parametrize("protocol", ["Engine", "Runtime", "Transport", "Cache"])
def test_what_others_may_implement_is_described_with_its_methods(
    reference: Path, protocol: str
) -> None:
    _, found, text = (reference / "extending.md").read_text("utf-8").partition(f"## `{protocol}`\n")

    assert found
    assert "\n### `" in text


def test_the_rule_for_settings_stands_first(reference: Path) -> None:
    text = (reference / "embedding.md").read_text("utf-8")

    assert "what you give wins" in text.partition("\n## ")[0]


def test_every_logger_is_listed_with_its_levels(reference: Path) -> None:
    text = (reference / "logging.md").read_text("utf-8")
    rows = re.findall(r"^\| `([\w.]+)`(?: and below)? \| ([A-Z, ]+) \|", text, re.MULTILINE)
    listed = {name: set(levels.split(", ")) for name, levels in rows}

    assert listed == levels_of_loggers()


def levels_of_loggers() -> dict[str, set[str]]:
    """Find the loggers in the sources; those that are named after their modules count as one."""
    found: dict[str, set[str]] = {}
    for package in ("ramalama", "engines/ramalama_engines", "chat/ramalama_chat"):
        for path in (ROOT / package).rglob("*.py"):
            source = path.read_text("utf-8")
            for name in re.findall(r"^_log = logging\.getLogger\((.*)\)$", source, re.MULTILINE):
                known = path.relative_to(ROOT).parts[1] if name == "__name__" else name.strip('"')
                levels = re.findall(r"\b_log\.(debug|info|warning|error)\(", source)
                found.setdefault(known, set()).update(level.upper() for level in levels)
    return found
