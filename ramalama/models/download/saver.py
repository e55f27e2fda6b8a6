"""Keeps the journal up with the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.models.download.journal import Journal
from ramalama.models.download.ranges import total

if TYPE_CHECKING:
    from ramalama.models.download.limits import Limits
    from ramalama.models.download.partial import Partial
    from ramalama.models.download.plan import Plan
    from ramalama.models.download.terms import Terms


class Saver:
    """Writes the journal of a transfer, and makes streams wait that are too far ahead of it."""

    def __init__(self, plan: Plan, partial: Partial, terms: Terms, limits: Limits) -> None:
        self._plan = plan
        self._partial = partial
        self._terms = terms
        self._limits = limits
        self._saved = plan.written

    def run(self) -> None:
        """Save after so many bytes or seconds, until the file is complete.

        Raises:
            Stopped: the transfer has ended; the last save is the caller's.
        """
        while True:
            self._plan.wait_until(self._is_due, self._limits.save_every)
            if self._plan.complete:
                return
            self.save()

    def save(self) -> None:
        """Get what was written onto the disk, and then the journal that says so."""
        spans = self._plan.spans()
        self._partial.sync()
        size = self._plan.size
        if size is not None and self._terms.resumable:
            journal = Journal(
                identity=self._terms.blob.identity,
                size=size,
                validator=self._terms.validator,
                spans=spans,
            )
            self._partial.write_journal(journal)
        self._saved = total(spans)
        self._plan.notify()

    def leave(self) -> None:
        """Save for the last time, or remove what nobody could continue."""
        spans = self._plan.spans()
        if spans and self._plan.size is not None and self._terms.resumable:
            self.save()
            self._partial.trim(spans[-1].end)
        else:
            self._partial.remove()

    def wait_for_room(self) -> None:
        """Wait until a crash of the machine would not cost more than it may.

        Raises:
            Stopped: the transfer has ended.
        """
        if not self._has_room():
            self._plan.wait_until(self._has_room)

    def _has_room(self) -> bool:
        return self._plan.written - self._saved < self._limits.unsaved

    def _is_due(self) -> bool:
        behind = self._plan.written - self._saved
        return behind >= self._limits.save_after or self._plan.complete
