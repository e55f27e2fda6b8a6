#!/usr/bin/env python3
"""Keep the manual pages true to the parsers: ``scripts/man_pages.py [--check]``.

`docs/ramalama-COMMAND.1.md` are written by hand, other than what `--help` says as well: the line
under NAME, the heads of OPTIONS, and the rows of ramalama(1)'s COMMANDS. An option's words are the
page's own; one that the page has not yet gets those of the help. A page that is missing is begun.
Of `docs/ramalama.conf.5.md` the section SETTINGS is made, from the table of options.
With --check nothing is written, and the exit code is 1 if something would be.
"""

from __future__ import annotations

import argparse
import re
import sys
from difflib import unified_diff
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from ramalama.cli.dispatch import VERBS, load_command
from ramalama.cli.invocation import parser
from ramalama.config.option_table import SETTINGS
from ramalama.value_types import Word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ramalama.config.option_spec import OptionSpec

DOCS = Path(__file__).parents[1] / "docs"
GLOBAL = "global options"
SEE_GLOBAL = "The global options are those of **[ramalama(1)](ramalama.1.md)**.\n"
ROOT_SUMMARY = "run AI models in locked-down containers"


def main() -> int:
    """Write the pages, or compare them."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true", help="write nothing, show differences")
    check = arguments.parse_args().check
    differs = False
    for path, text in pages():
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        if text == before:
            continue
        differs = True
        if check:
            lines = (before.splitlines(keepends=True), text.splitlines(keepends=True))
            sys.stdout.writelines(unified_diff(*lines, str(path), "what the parsers say"))
        else:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{path}\n")
    return 1 if check and differs else 0


def pages() -> Iterator[tuple[Path, str]]:
    """Yield every page as it has to be."""
    path = DOCS / "ramalama.1.md"
    page = with_name(path.read_text(encoding="utf-8"), "ramalama", ROOT_SUMMARY)
    page = with_section(page, "COMMANDS", command_table())
    yield path, with_options(page, root_options(), end="")
    for name, verb in VERBS.items():
        path = DOCS / f"ramalama-{name}.1.md"
        page = path.read_text(encoding="utf-8") if path.exists() else begun(name)
        page = with_name(page, rf"ramalama\-{name}", verb.summary)
        if name != "help":  # it has no parser: all that follows is a command's name
            own = options(load_command(name).make_parser(), of_all=False)
            page = with_options(page, own, end=SEE_GLOBAL)
        yield path, page
    path = DOCS / "ramalama.conf.5.md"
    entries = [setting_entry(SETTINGS[each]) for each in sorted(SETTINGS)]
    yield path, with_section(path.read_text(encoding="utf-8"), "SETTINGS", "".join(entries))


def begun(name: str) -> str:
    """Begin a page; its author describes the command."""
    return f"""\
% ramalama-{name} 1

## NAME

## SYNOPSIS
**ramalama {name}** [*options*]

## DESCRIPTION

## OPTIONS

## SEE ALSO
**[ramalama(1)](ramalama.1.md)**
"""


def with_name(page: str, name: str, summary: str) -> str:
    """Say in NAME what the list of commands says."""
    return with_section(page, "NAME", f"{name} - {summary}\n")


def with_options(page: str, wanted: Iterable[argparse.Action], *, end: str) -> str:
    """Give OPTIONS an entry for each that is *wanted*, in alphabetical order."""
    written = entries(section(page, "OPTIONS"))
    made = [entry(each, *written.get(key(each), ("", ""))) for each in wanted]
    return with_section(page, "OPTIONS", "".join(sorted(made)) + (end and f"\n{end}"))


def entries(text: str) -> Mapping[str, tuple[str, str]]:
    """Return the value and the words of each entry, by the option's first long name."""
    found: dict[str, tuple[str, str]] = {}
    for part in f"\n{text}".split("\n#### ")[1:]:
        line, _, words = part.partition("\n")
        if names := re.findall(r"--[a-z-]+", line):
            shown = line.partition("=")[2]
            found[names[0]] = (shown, words.replace(SEE_GLOBAL, "").strip())
    return found


def entry(option: argparse.Action, shown: str, words: str) -> str:
    """Write an option's entry: the page's own words, and its value unless that is a choice."""
    names = ", ".join(f"**{name}**" for name in ordered(option))
    if option.nargs != 0:
        names = f"{names}={choice(option) or shown or value(option)}"
    return f"\n#### {names}\n{words or sentence(option)}\n"


def ordered(option: argparse.Action) -> list[str]:
    """Return the first long name, then the short ones, then its other spellings."""
    long = [name for name in option.option_strings if name.startswith("--")]
    short = [name for name in option.option_strings if name not in long]
    return [*long[:1], *short, *long[1:]]


def key(option: argparse.Action) -> str:
    """Return the name by which an option is found and sorted."""
    return ordered(option)[0]


def choice(option: argparse.Action) -> str:
    """Write the words that an option takes; nothing where it takes any."""
    match = re.fullmatch(r"\{(.+)\}", str(option.metavar))
    words = match[1].split(",") if match else [str(word) for word in option.choices or ()]
    return " | ".join(f"*{word}*" for word in words)


def value(option: argparse.Action) -> str:
    """Name what an option takes as the help does."""
    return f"*{str(option.metavar or option.dest).lower()}*"


def sentence(option: argparse.Action) -> str:
    """Make a sentence of an option's help."""
    return sentence_of((option.help or "").replace("%%", "%"))


def sentence_of(text: str) -> str:
    """Begin with a capital letter, and end with a full stop."""
    return f"{text[:1].upper()}{text[1:]}."


def setting_default(spec: OptionSpec) -> str:
    """Write a default as the file would, or in words."""
    if spec.default_text or spec.default in (None, ()):
        return spec.default_text or "none"
    text = str(spec.default)
    return text.lower() if isinstance(spec.default, bool) else f'"{text}"'


def setting_entry(spec: OptionSpec) -> str:
    """Write a setting's entry: what it does, its default, and where else it can be said."""
    words = spec.type.words if isinstance(spec.type, Word) else ()
    shown = " | ".join(f'*"{word}"*' for word in words) or f"*{spec.type.expected}*"
    facts = [
        f"Default: {setting_default(spec)}.",
        f"Environment: {', '.join(f'`{name}`' for name in spec.environment)}.",
        *(
            f"Option: **{name}**."
            for name in [name for name in spec.flags if name.startswith("--")][:1]
        ),
    ]
    paragraphs = (
        sentence_of(spec.page_help or spec.help),
        " ".join(facts),
        f"Example: `{spec.key} = {spec.example}`",
    )
    wrapped = "\n\n".join(fill(each, 100, break_on_hyphens=False) for each in paragraphs)
    return f"\n#### **{spec.key}** = {shown}\n{wrapped}\n"


def options(of: argparse.ArgumentParser, *, of_all: bool) -> Iterator[argparse.Action]:
    """Yield a command's own options, or those *of_all* commands."""
    for group in of._action_groups:  # noqa: SLF001 (argparse lists its options nowhere else)
        if (group.title == GLOBAL) is of_all:
            for action in group._group_actions:  # noqa: SLF001 (see above)
                if action.option_strings and action.help is not argparse.SUPPRESS:
                    yield action


def root_options() -> Iterator[argparse.Action]:
    """Yield what stands without a command, too."""
    root = parser("COMMAND", ROOT_SUMMARY)
    root.add_argument("-v", "--version", action="store_true", help="show the version")
    yield from options(root, of_all=False)
    yield from options(root, of_all=True)


def command_table() -> str:
    """Write a row for each command."""
    rows = ["\n| command | what it does |\n| --- | --- |\n"]
    for name, verb in VERBS.items():
        aliases = "".join(f", **{alias}**" for alias in verb.aliases)
        rows.append(f"| **[{name}](ramalama-{name}.1.md)**{aliases} | {verb.summary} |\n")
    return "".join(rows)


def section(page: str, title: str) -> str:
    """Return what stands under a title."""
    _, found, rest = page.partition(f"## {title}\n")
    if not found:
        msg = f"there is no section {title!r} in a page that begins {page[:30]!r}"
        raise ValueError(msg)
    return rest.partition("\n## ")[0]


def with_section(page: str, title: str, text: str) -> str:
    """Replace what stands under a title."""
    before, _, rest = page.partition(f"## {title}\n")
    _, found, after = rest.partition("\n## ")
    tail = f"\n## {after}" if found else ""
    return f"{before}## {title}\n{text}{tail}"


if __name__ == "__main__":
    sys.exit(main())
