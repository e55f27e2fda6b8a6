"""Decide whether to use color, and choose the prompt's prefix."""

from collections.abc import Mapping
from enum import StrEnum

SEAL_PREFIX = "🦭 > "
PLAIN_PREFIX = "> "


class ColorMode(StrEnum):
    """The values of `--color`."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


def use_color(mode: ColorMode, *, isatty: bool, env: Mapping[str, str]) -> bool:
    """Decide by `--color`, then NO_COLOR, then FORCE_COLOR or CLICOLOR_FORCE, then the terminal.

    An empty variable counts as unset (no-color.org), and so does "0" in a FORCE variable
    (bixense.com/clicolors).
    """
    if mode is not ColorMode.AUTO:
        return mode is ColorMode.ALWAYS
    if env.get("NO_COLOR"):
        return False
    if any(env.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return isatty and env.get("TERM") != "dumb"


def default_prefix(env: Mapping[str, str], encoding: str | None) -> str:
    """Return the prompt with the seal, or a plain one if the terminal may not be able to show it.

    The Linux console ("linux") has no font for it, a dumb terminal may not show it, and an encoding
    other than UTF-8 cannot represent it.
    """
    speaks_utf8 = (encoding or "").lower().replace("_", "-") in ("utf-8", "utf8")
    return (
        SEAL_PREFIX
        if speaks_utf8 and env.get("TERM", "dumb") not in ("dumb", "linux")
        else PLAIN_PREFIX
    )
