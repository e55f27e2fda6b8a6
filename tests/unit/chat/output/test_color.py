import pytest

from ramalama_chat import ColorMode, default_prefix, use_color

AUTO, ALWAYS, NEVER = ColorMode.AUTO, ColorMode.ALWAYS, ColorMode.NEVER


@pytest.mark.parametrize(
    ("mode", "isatty", "env", "coloured"),
    [
        (AUTO, True, {"TERM": "xterm-256color"}, True),
        (AUTO, True, {}, True),
        (AUTO, True, {"TERM": "dumb"}, False),
        (AUTO, False, {"TERM": "xterm"}, False),
        (AUTO, True, {"NO_COLOR": "1"}, False),
        (AUTO, True, {"NO_COLOR": ""}, True),
        (AUTO, False, {"FORCE_COLOR": "1"}, True),
        (AUTO, False, {"CLICOLOR_FORCE": "1"}, True),
        (AUTO, False, {"FORCE_COLOR": "0"}, False),
        (AUTO, False, {"FORCE_COLOR": ""}, False),
        (AUTO, False, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        (ALWAYS, False, {"NO_COLOR": "1", "TERM": "dumb"}, True),
        (NEVER, True, {"FORCE_COLOR": "1"}, False),
    ],
)
def test_the_option_rules_then_the_variables_then_the_terminal(
    mode: ColorMode,
    isatty: bool,  # noqa: FBT001 - a row of the table
    env: dict[str, str],
    coloured: bool,  # noqa: FBT001
) -> None:
    assert use_color(mode, isatty=isatty, env=env) is coloured


@pytest.mark.parametrize(
    ("env", "encoding", "prefix"),
    [
        ({"TERM": "xterm"}, "utf-8", "🦭 > "),
        ({"TERM": "xterm"}, "UTF8", "🦭 > "),
        ({"TERM": "xterm"}, "iso8859-1", "> "),
        ({"TERM": "xterm"}, None, "> "),
        ({"TERM": "linux"}, "utf-8", "> "),
        ({"TERM": "dumb"}, "utf-8", "> "),
        ({}, "utf-8", "> "),
    ],
)
def test_the_seal_shows_up_where_it_can_be_shown(
    env: dict[str, str], encoding: str | None, prefix: str
) -> None:
    assert default_prefix(env, encoding) == prefix
