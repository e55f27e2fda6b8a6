"""Let something happen before each instruction of a piece of code, once before each."""

from __future__ import annotations

import sys
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType


class Blow:
    """Strikes before one instruction, counted from the moment when it is armed."""

    def __init__(self, number: int, strike: Callable[[FrameType], None]) -> None:
        self.landed = False
        self._left = number
        self._strike = strike

    def arm(self) -> None:
        """Begin to count in whatever is called from now on."""
        sys.settrace(self._trace)

    def _trace(self, frame: FrameType, event: str, _argument: object) -> Callable[..., object]:
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        if event == "opcode" and not self.landed:
            self._left -= 1
            if self._left == 0:
                self.landed = True
                self._strike(frame)
        return self._trace


def blows(strike: Callable[[FrameType], None]) -> Iterator[Blow]:
    """Yield a blow for each instruction, until one does not land any more.

    What *strike* raises is raised in the frame that it is given, as from a signal's handler.
    """
    before = sys.gettrace()
    for number in count(1):
        blow = Blow(number, strike)
        try:
            yield blow
        finally:
            sys.settrace(before)
        if not blow.landed:
            return
