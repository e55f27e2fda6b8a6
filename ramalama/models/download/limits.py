"""The limits of a download: sizes in bytes, times in seconds."""

from __future__ import annotations

from dataclasses import dataclass

from ramalama.models.http.failures import RetryPolicy

_MIB = 1024 * 1024
_PATIENT = RetryPolicy(tries=8, longest=300.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of a download; tests use small ones.

    Attributes:
        most_streams: the largest number of streams; it is approached while more streams are faster.
        parallel_from: a smaller blob is downloaded in one stream.
        shortest_piece, longest_piece: the size of what a stream requests at once.
        smallest_theft: a piece with at least twice as much left can lose half to an idle stream.
        save_after: the journal is written after so many bytes.
        unsaved: the most bytes that a crash of the machine can lose; streams wait at that number.
        save_every: the journal is also written after so many seconds.
        silence: a server that sends nothing for so many seconds counts as gone.
        grace, slowest: a transfer may take *grace* seconds, and one more for every *slowest* bytes.
        notice: the threads that follow a file's growth are woken after so many bytes.
    """

    most_streams: int = 8
    parallel_from: int = 64 * _MIB
    shortest_piece: int = 16 * _MIB
    longest_piece: int = 64 * _MIB
    smallest_theft: int = 2 * _MIB
    save_after: int = 16 * _MIB
    unsaved: int = 40 * _MIB
    save_every: float = 5.0
    silence: float = 30.0
    grace: float = 600.0
    slowest: float = 1024.0
    notice: int = _MIB
    retry_policy: RetryPolicy = _PATIENT
