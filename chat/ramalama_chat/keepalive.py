"""Parse the duration that `--keepalive` takes.

duration = seconds | part+          90     10m     1h30m     1d12h
part     = digits unit              units from large to small, each once: w d h m s
"""

import re

_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_PARTS = "".join(rf"(?:([0-9]{{1,9}}){unit})?" for unit in _SECONDS)

# The limit of a thread's timer, threading.TIMEOUT_MAX, is 292 years.
_LONGEST = 10 * 365 * _SECONDS["d"]


def parse_duration(text: str) -> float:
    """Return the duration *text* in seconds.

    Raises:
        ValueError: *text* is not a duration, or one of zero or of more than ten years.

    """
    spelled = text.strip()
    found = re.fullmatch(_PARTS, f"{spelled}s" if spelled.isdecimal() else spelled)
    if not spelled or found is None:
        msg = f"{text!r} is not a duration: write seconds (90) or numbers with units (10m, 1h30m)"
        raise ValueError(msg)
    seconds = sum(
        int(number) * size
        for number, size in zip(found.groups("0"), _SECONDS.values(), strict=True)
    )
    if not 0 < seconds <= _LONGEST:
        msg = f"a duration must be longer than zero and at most ten years, not {text!r}"
        raise ValueError(msg)
    return float(seconds)
