"""Which command a line of words names, before any command has done anything."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from ramalama import __version__
from ramalama.cli import main
from ramalama.cli.dispatch import VERBS, find_verb, usage

Capture = pytest.CaptureFixture[str]


def run(capsys: Capture, *words: str) -> tuple[int, str, str]:
    """Return the exit code, stdout and stderr of a command line."""
    try:
        code = main(list(words))
    except SystemExit as exc:  # argparse's way to end
        code = exc.code if isinstance(exc.code, int) else 0
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize(
    "words",
    [
        ["version"],
        ["--version"],
        ["-v"],
        ["version", "--debug"],
        ["--debug", "version"],
        ["--debug", "--version"],
        ["--engine", "docker", "-v"],
        ["--engine=docker", "version"],
    ],
)
def test_the_version_is_told_wherever_the_global_options_stand(
    capsys: Capture, words: list[str]
) -> None:
    assert run(capsys, *words) == (0, f"ramalama version {__version__}\n", "")


@pytest.mark.parametrize("words", [["-q", "version"], ["version", "--quiet"], ["-q", "--version"]])
def test_a_quiet_version_is_the_number_alone(capsys: Capture, words: list[str]) -> None:
    assert run(capsys, *words) == (0, f"{__version__}\n", "")


@pytest.mark.parametrize(
    "words",
    [[], ["-h"], ["--help"], ["help"], ["help", "--help"], ["--debug", "-h"], ["help", "help"]],
)
def test_help_goes_to_stdout(capsys: Capture, words: list[str]) -> None:
    assert run(capsys, *words) == (0, usage(), "")


def test_the_help_names_every_command_and_its_other_names() -> None:
    assert all(f"\n  {name}" in usage() for name in VERBS)
    assert "  ps, containers " in usage()


def test_the_help_fits_on_a_terminal() -> None:
    assert max(map(len, usage().splitlines())) <= 100


@pytest.mark.parametrize("verb", [name for name in VERBS if name != "help"])
@pytest.mark.parametrize("ask", ["after", "before"])
def test_every_command_has_a_help_of_its_own(capsys: Capture, verb: str, ask: str) -> None:
    words = [verb, "--help"] if ask == "after" else ["help", verb]

    code, out, err = run(capsys, *words)

    assert (code, err) == (0, "")
    assert out.startswith(f"usage: ramalama {verb} ")
    assert "--engine {podman,docker}" in out
    assert VERBS[verb].summary[1:] in out


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("rnu", "did you mean 'run'?"),
        ("stpo", "did you mean 'stop'?"),
        ("versoin", "did you mean 'version'?"),
        ("granite", "`ramalama --help` lists the commands"),
        ("", "`ramalama --help` lists the commands"),
        ("\x1b[2J", "`ramalama --help` lists the commands"),
        ("ru\nn", "did you mean 'run'?"),
    ],
)
def test_an_unknown_command_is_refused_with_the_nearest_known_one(
    capsys: Capture, word: str, hint: str
) -> None:
    assert run(capsys, word) == (2, "", f"Error: there is no command {word!r}; {hint}\n")


def test_help_of_an_unknown_command_is_refused_too(capsys: Capture) -> None:
    code, _, err = run(capsys, "help", "rnu")

    assert (code, err) == (2, "Error: there is no command 'rnu'; did you mean 'run'?\n")


def test_options_alone_are_no_command(capsys: Capture) -> None:
    code, out, err = run(capsys, "--debug")

    assert (code, out) == (2, "")
    assert err == "Error: no command was given; `ramalama --help` lists the commands\n"


@pytest.mark.parametrize("words", [["--bogus", "version"], ["version", "--bogus"]])
def test_an_unknown_option_is_refused_by_the_command(capsys: Capture, words: list[str]) -> None:
    assert run(capsys, *words) == (
        *(2, ""),
        "Error: unrecognized arguments: --bogus; see `ramalama version --help`\n",
    )


def test_the_value_of_a_global_option_is_not_taken_for_the_command(capsys: Capture) -> None:
    code, _, err = run(capsys, "--engine", "version")

    assert (code, err) == (2, "Error: no command was given; `ramalama --help` lists the commands\n")


@pytest.mark.parametrize(
    "words",
    [
        ["--engine", "lxc", "ps"],
        ["ps", "--engine", "lxc"],
        ["ps", "--engine", ""],
        ["ps", "--engine"],
        ["--quiet", "ps", "--debug"],
    ],
)
def test_a_global_option_that_makes_no_sense_is_wrong_usage(
    capsys: Capture, words: list[str]
) -> None:
    code, out, err = run(capsys, *words)

    assert (code, out) == (2, "")
    assert err.startswith("Error: argument ")


@pytest.mark.parametrize(
    ("word", "verb"),
    [("run", "run"), ("ps", "ps"), ("containers", "ps"), ("RUN", None), ("ru", None), ("", None)],
)
def test_a_command_is_known_by_its_names_and_not_by_parts_of_them(
    word: str, verb: str | None
) -> None:
    assert find_verb(word) == verb


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ps", "--dryrun"], "would do: ramalama ps\n"),
        (["--dry-run", "stop", "mine", "yours"], "would do: ramalama stop mine yours\n"),
        (["logs", "--dryrun", "mine"], "would do: ramalama logs mine\n"),
        (["info", "--dryrun"], "would do: ramalama info\n"),
    ],
)
def test_a_dry_run_of_a_command_without_a_plan_only_says_so(
    capsys: Capture, words: list[str], said: str
) -> None:
    assert run(capsys, *words) == (0, "", said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run"], "MODEL is missing"),
        (["run", "--seed", "1"], "MODEL is missing"),
        (["logs"], "the following arguments are required: NAME"),
        (["stop"], "name the servers to stop, or give --all"),
        (["stop", "--all", "mine"], "name the servers to stop, or give --all"),
        (["version", "extra"], "unrecognized arguments: extra"),
    ],
)
def test_missing_and_superfluous_words_are_wrong_usage(
    capsys: Capture, words: list[str], said: str
) -> None:
    code, out, err = run(capsys, *words)

    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("columns", "width"), [("60", 60), ("120", 120), ("0", 80), ("x", 80), (None, 80)]
)
def test_the_help_of_a_command_is_as_wide_as_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, columns: str | None, width: int
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)

    code, out, _ = run(capsys, "run", "--help")

    longest = max(len(line) for line in out.splitlines() if line.startswith("  -"))
    assert code == 0
    assert width * 3 / 4 < longest < width


# The standard library's own modules import these, and a list of models has no use for them.
LATE = """
import sys
from ramalama.cli import main
main(["list", "--store", "/nowhere"])
names = {"copy": "deepcopy", "ipaddress": "ip_address"}
late = [module for module, name in names.items() if name not in vars(sys.modules[module])]
import copy, inspect, ipaddress
print(late, copy.deepcopy([1]), inspect.signature(main), ipaddress.ip_address("::1"))
"""


def test_a_command_puts_off_what_it_may_not_need_and_all_of_it_is_there_when_needed() -> None:
    done = subprocess.run([sys.executable, "-c", LATE], check=True, capture_output=True, text=True)

    told = done.stdout.splitlines()[-1]
    assert told == "['copy', 'ipaddress'] [1] (words: 'list[str] | None' = None) -> 'int' ::1"


def test_a_caller_in_the_same_process_keeps_its_garbage_collector(capsys: Capture) -> None:
    assert run(capsys, "version") == (0, f"ramalama version {__version__}\n", "")

    assert gc.isenabled()
