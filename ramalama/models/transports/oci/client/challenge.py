"""Parse the header ``WWW-Authenticate``, with which a server asks for authentication.

    header    = challenge *("," challenge)
    challenge = scheme [1*SP (token68 | parameter *("," parameter))]
    parameter = token "=" (token | quoted-string)

Commas separate challenges and parameters, and also occur in quoted strings, so that a tokenizer is
needed: ``scope="repository:a/b:pull,push"``. Source: RFC 9110, sections 11.2 to 11.6.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# Some servers send values without quotes that are not tokens: realm=https://host/token.
_PARAMETER = rf'(?P<name>{_WORD})[ \t]*=[ \t]*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s,"]+))'
_TOKEN68 = r"[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|\Z))"
_SCHEME = rf"(?P<scheme>{_WORD})(?:[ \t]+{_TOKEN68})?(?=[ \t,]|\Z)"
_BETWEEN = r"[ \t,]*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """One way to authenticate.

    Attributes:
        scheme: in lower case, such as ``basic`` or ``bearer``.
        parameters: names in lower case, values without quotes.
    """

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """Return all challenges in *header*, up to the first part that is not valid."""
    parameter, scheme, between = (
        re.compile(pattern, re.DOTALL) for pattern in (_PARAMETER, _SCHEME, _BETWEEN)
    )
    challenges: list[Challenge] = []
    parameters: dict[str, str] = {}
    position = 0
    while True:
        if gap := between.match(header, position):
            position = gap.end()
        if challenges and (match := parameter.match(header, position)):
            parameters.setdefault(match["name"].lower(), _value(match))
        elif match := scheme.match(header, position):
            parameters = {}
            challenges.append(Challenge(scheme=match["scheme"].lower(), parameters=parameters))
        else:
            return tuple(challenges)
        position = match.end()


def _value(match: re.Match[str]) -> str:
    quoted = match["quoted"]
    return match["bare"] if quoted is None else re.sub(r"(?s)\\(.)", r"\1", quoted)
