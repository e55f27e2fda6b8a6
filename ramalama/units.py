"""Format sizes and durations for people."""

from __future__ import annotations

_UNITS = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))
_HOUR = 3600
_MINUTE = 60


def human_size(size: float) -> str:
    """Format *size* bytes in a decimal unit with three digits: ``98.4 MB``."""
    for unit, name in _UNITS:
        if size >= unit:
            value = size / unit
            decimals = 2 if value < 10 else 1 if value < 100 else 0  # noqa: PLR2004 (three digits)
            return f"{value:.{decimals}f} {name}"
    return f"{size:.0f} B"


def binary_size(size: int) -> str:
    """Format *size* bytes in units of 1024 with two decimals, as upstream does: ``93.81 MB``."""
    value, units = float(size), ["B", "KB", "MB", "GB"]
    while value >= 1024 and len(units) > 1:  # noqa: PLR2004 (units of 1024)
        value /= 1024
        units.pop(0)
    return f"{value:.2f} {units[0]}"


def human_duration(seconds: float) -> str:
    """Format a duration: ``42 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = max(0, round(seconds))
    if whole >= _HOUR:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    if whole >= _MINUTE:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole} s"
