"""Which addresses of engines are valid, and what is said of the others."""

from __future__ import annotations

import pytest

from ramalama_engines.address import EngineUrl, parse_url, without_password


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        (
            "unix:///run/podman/podman.sock",
            EngineUrl(scheme="unix", path="/run/podman/podman.sock"),
        ),
        (
            "unix:///An odd %2F näme@x.sock",
            EngineUrl(scheme="unix", path="/An odd %2F näme@x.sock"),
        ),
        ("ssh://gpu", EngineUrl(scheme="ssh", host="gpu")),
        ("ssh://gpu/", EngineUrl(scheme="ssh", host="gpu")),
        (
            "ssh://me@gpu.example.org:2222/run/user/1000/podman/podman.sock",
            EngineUrl(
                scheme="ssh",
                user="me",
                host="gpu.example.org",
                port=2222,
                path="/run/user/1000/podman/podman.sock",
            ),
        ),
        (
            "ssh://m%C3%A9@[fe80::1]/a%20b.sock",
            EngineUrl(scheme="ssh", user="mé", host="fe80::1", path="/a b.sock"),
        ),
        ("tcp://10.0.0.7:2376", EngineUrl(scheme="tcp", host="10.0.0.7", port=2376)),
        ("tcp://gpu/", EngineUrl(scheme="tcp", host="gpu")),
    ],
)
def test_an_address_has_parts_without_escapes(url: str, parts: EngineUrl) -> None:
    assert parse_url(url) == parts


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "does not begin with unix:"),
        ("/run/podman/podman.sock", "does not begin with unix:"),
        ("unix:/run/podman/podman.sock", "does not begin with unix:"),
        ("bogus://x", "does not begin with unix:"),
        ("npipe:////./pipe/docker_engine", "npipe:// is not supported; use unix://, ssh:// or"),
        ("https://gpu:2376", "https:// is not supported"),
        ("unix://", "not absolute"),
        ("unix://run/x.sock", "not absolute"),
        ("unix:///run/x\n.sock", "control characters"),
        ("unix:///run/x\0.sock", "control characters"),
        ("unix:///run/\u202ex.sock", "control characters"),
        ("unix:///run/x.sock?a=b", "query or a fragment"),
        ("ssh://gpu/run/x.sock#here", "query or a fragment"),
        ("ssh://", "no valid host name"),
        ("ssh:///run/x.sock", "no valid host name"),
        ("ssh://-oProxyCommand=id/x.sock", "no valid host name"),
        ("ssh://gpu host/x.sock", "no valid host name"),
        ("ssh://me@/x.sock", "no valid host name"),
        ("ssh://@gpu", "no valid user name"),
        ("ssh://-l@gpu", "no valid user name"),
        ("ssh://$(id)@gpu", "no valid user name"),
        ("ssh://a%0Ab@gpu", "no valid user name"),
        ("ssh://a%FFb@gpu", "can't decode"),
        ("ssh://gpu/a%00b", "path contains control characters"),
        ("ssh://gpu:0/x.sock", "from 1 to 65535"),
        ("ssh://gpu:65536/x.sock", "from 1 to 65535"),
        ("ssh://gpu:/x.sock", "from 1 to 65535"),
        ("ssh://gpu:-1/x.sock", "from 1 to 65535"),
        ("tcp://gpu:\uff12\uff13", "from 1 to 65535"),
        ("tcp://gpu:" + "1" * 4000, "from 1 to 65535"),
        ("tcp://gpu:2376/v1.43", "only a host and a port"),
        ("tcp://me@gpu:2376", "only a host and a port"),
        ("ssh://" + "x" * 5000, "longer than 4096"),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "ssh://me:secret@gpu/run/x.sock",
        "ssh://me:se@cret@gpu",
        "ssh://me:@gpu",
        "tcp://me:secret@gpu:2376",
        "ssh://me:secret@",
    ],
)
def test_a_password_in_an_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match=r"use a key or an agent|host name") as caught:
        parse_url(url)

    assert "cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("tcp://me:secret@gpu:2376", "tcp://***@gpu:2376"),
        ("ssh://me:se@cret@gpu", "ssh://***@gpu"),
        ("ssh:me:secret@gpu", "***@gpu"),
        ("me:secret@gpu", "***@gpu"),
        ("unix://me:secret@gpu/x", "unix://***@gpu/x"),
        ("ssh://me%3Asecret@gpu/x", "ssh://***@gpu/x"),
        ("ssh://me%ff@gpu/x", "ssh://***@gpu/x"),
        ("ssh://me@gpu/x.sock", "ssh://me@gpu/x.sock"),
        ("tcp://gpu:2376", "tcp://gpu:2376"),
        ("unix:///run/me@home/x.sock", "unix:///run/me@home/x.sock"),
    ],
)
def test_a_message_shows_an_address_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown
