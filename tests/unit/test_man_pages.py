"""Manual pages: they say what the parsers say, and manual page readers can read them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ramalama.cli import main
from ramalama.cli.dispatch import VERBS
from ramalama.config.config import config_files
from tests.lab.service import program

Capture = pytest.CaptureFixture[str]

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.[157].md"))
OTHERS = sorted(
    (*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("ramalama/**/README.md"))
)

# What go-md2man's own manner of writing makes mandoc remark, in every page of everybody's.
MANNERS = ("invalid escape sequence: \\fC", "missing date", "skipping paragraph macro: PP after")


def page(name: str) -> str:
    return (DOCS / f"ramalama-{name}.1.md").read_text(encoding="utf-8")


def heads(text: str) -> set[str]:
    """Return the names of all options that have an entry."""
    lines = re.findall(r"^#### (.*)$", text, re.MULTILINE)
    return {name for line in lines for name in re.findall(r"\*\*(--?[a-z-]+)\*\*", line)}


def options_of_help(text: str) -> set[str]:
    """Return the names of all options that a help text lists."""
    lines = re.findall(r"^  (-.*?)(?:  |$)", text, re.MULTILINE)
    return {name for line in lines for name in re.findall(r"(?<!\S)--?[a-z-]+", line)}


def roff(source: Path) -> str:
    command = [program("go-md2man"), "-in", str(source)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout


def test_no_page_differs_from_what_the_parsers_say() -> None:
    script = ROOT / "scripts/man_pages.py"
    done = subprocess.run([sys.executable, script, "--check"], check=False, capture_output=True)

    assert done.returncode == 0, f"run {script}:\n{done.stdout.decode()}{done.stderr.decode()}"


@pytest.mark.parametrize("name", VERBS.keys() - {"help"})
def test_a_page_has_the_options_that_the_help_has(name: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        main([name, "--help"])

    listed = options_of_help(capsys.readouterr().out)
    shared = heads((DOCS / "ramalama.1.md").read_text(encoding="utf-8")) - {"--help", "-h"}
    assert {"--help", "--engine"} <= listed
    assert heads(page(name)) == listed - shared


def test_the_page_of_settings_lists_the_files_in_the_order_in_which_they_are_read() -> None:
    text = (DOCS / "ramalama.conf.5.md").read_text(encoding="utf-8")
    listed = re.findall(r"^[0-9]\. `(.*?)`", text, re.MULTILINE)

    read = config_files({"XDG_CONFIG_HOME": "/of-the-user"}, Path("/home/me"))
    files = [str(path) for path in read if path.name == "ramalama.conf"]
    assert [name.replace("$XDG_CONFIG_HOME", "/of-the-user") for name in listed] == files


def test_the_help_without_a_command_lists_what_the_page_of_all_commands_lists(
    capsys: Capture,
) -> None:
    assert main(["--help"]) == 0

    # Of each option, whose other spellings the page alone has.
    listed = options_of_help(capsys.readouterr().out)
    root = heads((DOCS / "ramalama.1.md").read_text(encoding="utf-8"))
    assert root - listed == {"--dry-run"}
    assert listed <= root


@pytest.mark.programs("go-md2man", "mandoc")
@pytest.mark.parametrize("source", PAGES, ids=lambda path: path.name)
def test_a_page_is_a_manual_page(source: Path, tmp_path: Path) -> None:
    target = tmp_path / source.stem
    target.write_text(roff(source), encoding="utf-8")
    lint = [program("mandoc"), "-T", "lint", "-W", "warning", str(target)]
    done = subprocess.run(lint, check=False, capture_output=True, text=True)

    remarks = [line for line in done.stdout.splitlines() if not any(one in line for one in MANNERS)]
    assert remarks == []


@pytest.mark.parametrize("source", [*PAGES, *OTHERS], ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_page_links_to_is_there(source: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", source.read_text(encoding="utf-8"))

    assert [each for each in targets if not (source.parent / each).exists()] == []


def test_every_command_has_a_page_and_every_page_is_of_a_command() -> None:
    assert {path.name for path in PAGES} == {
        "ramalama.1.md",
        "ramalama.conf.5.md",
        "ramalama-cuda.7.md",
        "ramalama-remote.7.md",
        *(f"ramalama-{name}.1.md" for name in VERBS),
    }
