"""Challenges are read as RFC 9110 writes them, and as servers do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramalama.models.transports.oci.client.challenge import Challenge, parse_challenges

HUB = (
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",'
    'scope="repository:ai/smollm2:pull,push"'
)
TOKEN = st.from_regex(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", fullmatch=True)


def challenge(scheme: str, **parameters: str) -> Challenge:
    return Challenge(scheme=scheme, parameters=parameters)


BASIC = challenge("basic", realm="here")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", []),
        ("Basic", [challenge("basic")]),
        ('Basic realm="here"', [BASIC]),
        ('BASIC  REALM = "here"', [BASIC]),
        ("Basic realm=here", [BASIC]),
        (
            HUB,
            [
                challenge(
                    "bearer",
                    realm="https://auth.docker.io/token",
                    service="registry.docker.io",
                    scope="repository:ai/smollm2:pull,push",
                )
            ],
        ),
        ("Bearer realm=https://a/b?c=d", [challenge("bearer", realm="https://a/b?c=d")]),
        (r'Basic realm="a \"b\", c\\"', [challenge("basic", realm='a "b", c\\')]),
        ('Basic realm="here", Bearer realm="there"', [BASIC, challenge("bearer", realm="there")]),
        ('Negotiate, Basic realm="here"', [challenge("negotiate"), BASIC]),
        ('NTLM TlRM/0+x==, Basic realm="here"', [challenge("ntlm"), BASIC]),
        (
            'Digest qop="auth,int", nonce=a, Basic realm="here"',
            [challenge("digest", qop="auth,int", nonce="a"), BASIC],
        ),
        ('Basic realm="here", realm="there"', [BASIC]),
        (', ,Basic realm="here",,', [BASIC]),
        (
            'Basic charset="UTF-8", realm="here"',
            [challenge("basic", charset="UTF-8", realm="here")],
        ),
    ],
)
def test_a_header_is_read(header: str, expected: list[Challenge]) -> None:
    assert list(parse_challenges(header)) == expected


@pytest.mark.parametrize(
    "rest", [', Bearer realm="unclosed', ', Bearer realm="unclosed\\"', ", =", ' "', ", Bearer ="]
)
def test_what_comes_before_nonsense_is_still_read(rest: str) -> None:
    assert parse_challenges('Basic realm="here"' + rest)[0] == BASIC


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(header: str) -> None:
    found = parse_challenges(header)

    assert all(challenge.scheme for challenge in found)


@given(
    st.lists(
        st.tuples(TOKEN, st.dictionaries(TOKEN.map(str.lower), st.text(max_size=20), min_size=1)),
        max_size=4,
    )
)
def test_what_is_written_is_read_back(challenges: list[tuple[str, dict[str, str]]]) -> None:
    header = ", ".join(
        f"{scheme} " + ", ".join(f"{name}={quoted(value)}" for name, value in parameters.items())
        for scheme, parameters in challenges
    )

    assert [(found.scheme, dict(found.parameters)) for found in parse_challenges(header)] == [
        (scheme.lower(), parameters) for scheme, parameters in challenges
    ]


def quoted(value: str) -> str:
    return '"' + value.replace("\\", r"\\").replace('"', r"\"") + '"'


def test_a_header_of_any_length_is_read_in_time_that_grows_with_it() -> None:
    # A reader that tries again from every comma would take hours.
    found = parse_challenges('Basic realm="' + "\\a," * 200_000)

    assert found == (challenge("basic"),)
