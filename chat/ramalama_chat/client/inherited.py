"""Connections that a forked child must not keep.

A child inherits the open sockets of its parent. If it used them, answers would be mixed up between
the processes; while it only keeps them, a server does not notice that the parent has left.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakSet

if TYPE_CHECKING:
    import httpcore2

    S = TypeVar("S", bound="httpcore2.NetworkStream | httpcore2.AsyncNetworkStream")

_open: WeakSet[httpcore2.NetworkStream | httpcore2.AsyncNetworkStream] = WeakSet()
_state = {"hooked": False}


def forget_in_children(stream: S) -> S:
    """Return *stream*; a process that is forked later has no part in its connection."""
    if not _state["hooked"]:
        _state["hooked"] = True
        os.register_at_fork(after_in_child=_forget)
    _open.add(stream)
    return stream


def _forget() -> None:
    """Put /dev/null in the place of each inherited connection.

    The number of its descriptor stays taken: the objects of the parent, which the child has too,
    may close it once more. Nothing else is done with them, since their locks may be held by threads
    that the child does not have.
    """
    if not _open:
        return
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for stream in list(_open):
        with suppress(OSError):  # it is just being closed
            descriptor: int = stream.get_extra_info("socket").fileno()
            if descriptor >= 0:
                os.dup2(nothing, descriptor, inheritable=False)
    os.close(nothing)
    _open.clear()
