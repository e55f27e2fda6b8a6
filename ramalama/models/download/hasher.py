"""The digest of a file that still grows."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ramalama.models.download.plan import Stopped
from ramalama.models.formats.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama.models.download.partial import Partial
    from ramalama.models.download.plan import Plan

_BLOCK = 256 * 1024  # fits into a core's cache


def hash_while_it_grows(
    plan: Plan, partial: Partial, check: Callable[[bytes], None] | None = None
) -> Digest:
    """Read the file up to its first gap, as that moves on, and return the digest of all of it.

    What was just written is still in memory then. hashlib lets other threads run meanwhile.
    *check* is shown the first bytes; what it raises is passed on.

    Raises:
        Stopped: the transfer ended before the file was complete.
        OSError: it cannot be read.
    """
    sha256 = hashlib.sha256()
    buffer = memoryview(bytearray(_BLOCK))
    position = 0
    while position != plan.size or not plan.complete:
        end = plan.wait_for_prefix(position)
        while position < end:
            if plan.stopped:
                raise Stopped
            count = partial.read_into(buffer[: end - position], position)
            if check is not None and position == 0:
                check(bytes(buffer[:count]))
            sha256.update(buffer[:count])
            position += count
    return Digest(sha256.hexdigest())
