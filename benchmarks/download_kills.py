"""What `kill -9` at 100 random moments of a download costs, and whether it harms.

Run ``python -m benchmarks.download_kills 100`` from the repository's root. After each kill the
partial file is compared with the truth, byte by byte; each file that was completed, too.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.unit.ramalama.models.download.kit import KIB, made_up_bytes
from tests.unit.ramalama.models.download.storm import BOUND, Storm

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIZE = 2048 * KIB


def main(words: Sequence[str] | None = None) -> None:
    """Storm, and print what was lost; a wrong byte is an AssertionError."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", type=int, nargs="?", default=100, help="how many")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4)))
    arguments = parser.parse_args(words)
    chance = random.Random(arguments.seed)  # noqa: S311 (moments, not secrets)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        storm = Storm(made_up_bytes(_SIZE), Path(directory), chance)
        lost = [remains.lost for remains in storm.kills(arguments.kills)]
    print(f"{len(lost)} kills, {storm.completed} files completed, none with a wrong byte")
    print(
        f"lost per kill: median {statistics.median(lost) / KIB:.0f} KiB, "
        f"most {max(lost) / KIB:.0f} KiB, allowed {BOUND / KIB:.0f} KiB"
    )


if __name__ == "__main__":
    main()
