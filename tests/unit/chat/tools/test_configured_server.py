"""Tool servers that settings name, and the secrets that they are given."""

from __future__ import annotations

import pytest

from ramalama_chat import InputRefused
from ramalama_chat.tools.configured_server import read_named_server, with_secrets
from ramalama_chat.tools.server_address import ToolServerAddress

URL = "https://me:s3cret@h/mcp?key=s3cret"


def test_a_server_is_called_by_its_name_and_not_by_its_place() -> None:
    web = read_named_server("it", {"url": URL, "headers": {"X-Key": "${KEY}"}})
    program = read_named_server("my-own_1", {"command": "serve 'a b'", "env": {"KEY": "x"}})

    assert (web.label, web.url, web.headers) == ("it", URL, {"X-Key": "${KEY}"})
    assert (program.label, program.command) == ("my-own_1", ("serve", "a b"))
    assert program.env == {"KEY": "x"}


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ("s3cret", "it needs either a url or a command"),
        ({}, "it needs either a url or a command"),
        ({"url": URL, "command": "s3cret"}, "it needs either a url or a command"),
        (
            {"url": URL, "header": {"A": "s3cret"}},
            "it has a url, which cannot be combined with 'header'",
        ),
        (
            {"command": "it", "headers": {}},
            "it has a command, which cannot be combined with 'headers'",
        ),
        ({"url": "s3cret"}, "the url of it is not valid"),
        ({"url": ["s3cret"]}, "the url of it is not valid"),
        ({"url": "http://s3cret:x/"}, "the url of it is not valid"),
        ({"command": URL}, "the command of it is not valid"),
        ({"command": "'s3cret"}, "the command of it is not valid"),
        ({"url": URL, "headers": "s3cret"}, "the headers of it are not a table of names and texts"),
        ({"url": URL, "headers": {"A": 5}}, "the headers of it are not a table of names and texts"),
        ({"url": URL, "headers": {"A:": "s3cret"}}, "the headers of it are not a table"),
        ({"url": URL, "headers": {"": "s3cret"}}, "the headers of it are not a table"),
        ({"command": "it", "env": {"A=B": "s3cret"}}, "the env of it are not a table"),
        ({"url": URL, "headers": {"A": "s3cret ${B:-x}"}}, "the headers of it have a '\\${' that"),
        ({"command": "it", "env": {"A": "s3cret ${ B}"}}, "the env of it have a '\\${' that"),
        (
            {"url": "http://far/", "headers": {"A": "s3cret"}},
            "would be sent unencrypted to another machine",
        ),
        ({"command": "it", "env": {"A": "s3cret\0"}}, "the env of it are not a table"),
    ],
)
def test_settings_that_make_no_sense_are_refused_and_no_value_is_quoted(
    settings: object, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        read_named_server("it", settings)

    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "a.b", "a\x1b[2J", "ä", "x" * 65])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a valid name for a server"):
        read_named_server(name, {"url": URL})


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("${KEY}", "s3cret"),
        ("Bearer ${KEY}", "Bearer s3cret"),
        ("${KEY}:${OTHER}", "s3cret:${KEY}"),
        ("$KEY $$ ${} ${1} {KEY}", "$KEY $$ ${} ${1} {KEY}"),
    ],
)
def test_a_variable_in_braces_stands_for_its_value_and_nothing_else_does(
    text: str, filled: str
) -> None:
    variables = {"KEY": "s3cret", "OTHER": "${KEY}"}
    web = ToolServerAddress(label="it", url=URL, headers={"A": text})
    program = ToolServerAddress(label="it", command=("it",), env={"A": text})

    assert with_secrets(web, variables).headers == {"A": filled}
    assert with_secrets(program, variables).env == {"A": filled}
    assert "s3cret" not in repr([with_secrets(web, variables), with_secrets(program, variables)])


@pytest.mark.parametrize("variables", [{}, {"KEY": ""}])
def test_a_variable_that_is_not_set_is_named(variables: dict[str, str]) -> None:
    web = ToolServerAddress(label="it", url=URL, headers={"A": "Bearer ${KEY}"})

    with pytest.raises(
        InputRefused, match=r"^the tool server it needs the variable KEY, which is "
    ):
        with_secrets(web, variables)


@pytest.mark.parametrize(
    "value", ["s3cret\r\nX: y", "s3cret\n", "s3cré\u200bt", "s3cret\0", "s3cret ", " s3cret"]
)
def test_a_secret_that_is_no_line_of_a_header_is_not_sent_and_not_shown(value: str) -> None:
    web = ToolServerAddress(label="it", url=URL, headers={"A": "${KEY}"})

    with pytest.raises(
        InputRefused, match=r"^the header A of the tool server it cannot "
    ) as caught:
        with_secrets(web, {"KEY": value})

    assert "s3cr" not in str(caught.value)


@pytest.mark.parametrize("url", ["https://far/", "http://localhost/", "http://127.0.0.1:8/"])
def test_headers_are_sent_only_where_they_cannot_be_read(url: str) -> None:
    assert read_named_server("it", {"url": url, "headers": {"A": "b"}}).headers == {"A": "b"}
