"""The address of an engine behind ssh."""

from __future__ import annotations

import pytest

from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.ssh.target import SshTarget


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ssh://box", SshTarget(host="box")),
        ("ssh://box/", SshTarget(host="box")),
        ("ssh://Box:2222", SshTarget(host="Box", port=2222)),
        ("ssh://me@box/run/p.sock", SshTarget(host="box", user="me", path="/run/p.sock")),
        ("ssh://m%40e@box/a%20b", SshTarget(host="box", user="m@e", path="/a b")),
        ("ssh://[::1]:22/x", SshTarget(host="::1", port=22, path="/x")),
    ],
)
def test_a_url_names_host_user_port_and_socket(url: str, expected: SshTarget) -> None:
    assert SshTarget.parse(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "", "ssh://", "ssh:///x", "tcp://box", "ssh://box:many", "ssh://box:70000", "ssh://box?x=1",
        "ssh://box#x", "ssh://-oProxyCommand=x/y", "ssh://a b/c", "ssh://a;b/c", "ssh://me%0a@box",
        "ssh://$(id)/x", "ssh://[::1/x",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(EngineUnavailable) as caught:
        SshTarget.parse(url)

    assert str(caught.value).isprintable()


def test_a_password_is_refused_and_not_shown() -> None:
    with pytest.raises(EngineUnavailable, match="password") as caught:
        SshTarget.parse("ssh://me:hush@box/x")

    assert "hush" not in str(caught.value)


def test_the_url_is_shown_as_it_was_given() -> None:
    for url in ("ssh://me@box:22/run/p.sock", "ssh://[::1]/x", "ssh://Box"):
        assert SshTarget.parse(url).url == url
