from __future__ import annotations

import ctypes
import os
from typing import Any, Final

from ramalama.system.boot_session import boot_session

UUID: Final = b"6A9C1F70-4C0E-4A62-9E53-0B7C9A4E2D11"


class _Darwin:
    """The C library of macOS, as far as it matters."""

    def __init__(self, answers: dict[bytes, bytes]) -> None:
        self._answers = answers

    def sysctlbyname(self, name: bytes, value: Any, size: Any, new: None, new_size: int, /) -> int:  # noqa: ANN401, ARG002 (pointers)
        assert (new, new_size) == (None, 0)
        if name not in self._answers:
            return -1
        ctypes.memmove(value, self._answers[name], len(self._answers[name]))
        return 0


def test_on_macos_a_boot_is_known_by_its_session() -> None:
    assert boot_session(_Darwin({b"kern.bootsessionuuid": UUID})) == UUID.decode()


def test_where_the_kernel_has_no_identifier_the_name_of_the_host_stands_for_it() -> None:
    assert boot_session(_Darwin({})) == os.uname().nodename
    assert boot_session() == os.uname().nodename  # the C library of Linux
