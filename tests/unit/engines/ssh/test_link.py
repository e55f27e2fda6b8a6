"""One connection to a host."""

from __future__ import annotations

import asyncio

from ramalama_engines.ssh.link import Link
from ramalama_engines.ssh.target import SshTarget


def test_files_of_a_connection_that_another_thread_has_found_lost_are_not_opened_again() -> None:
    link = Link(SshTarget.parse("ssh://me@far.example"))

    asyncio.run(link.renew_sftp())
