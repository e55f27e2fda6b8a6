"""How much memory there is, on kernels of both kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ramalama.system.resources import available_memory

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MEMINFO = "MemTotal:       16000000 kB\nMemFree:  1 kB\nMemAvailable:    8000000 kB\n"
AVAILABLE = 8000000 * 1024
V2 = "sys/fs/cgroup"
V1 = "sys/fs/cgroup/memory"


def host(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in {"proc/meminfo": MEMINFO, **files}.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="ascii")
    return root


@pytest.mark.parametrize(
    ("files", "memory"),
    [
        pytest.param({}, AVAILABLE, id="no group"),
        pytest.param(
            {"proc/self/cgroup": "0::/", f"{V2}/memory.max": "max\n", f"{V2}/memory.current": "5"},
            AVAILABLE,
            id="no limit",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "0::/a/b",
                f"{V2}/a/memory.max": "1000",
                f"{V2}/a/memory.current": "900",
                f"{V2}/a/memory.stat": "anon 500\ninactive_file 300\n",
                f"{V2}/a/b/memory.max": "max",
                f"{V2}/a/b/memory.current": "100",
            },
            400,
            id="a group above us, whose cache can go",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "4:memory:/x\n2:cpu:/y\n",
                f"{V1}/x/memory.limit_in_bytes": "2000",
                f"{V1}/x/memory.usage_in_bytes": "500",
            },
            1500,
            id="version 1",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "4:memory:/\n",
                f"{V1}/memory.limit_in_bytes": "9223372036854771712",
                f"{V1}/memory.usage_in_bytes": "500",
            },
            AVAILABLE,
            id="version 1 without a limit",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "0::/",
                f"{V2}/memory.max": "100",
                f"{V2}/memory.current": "900",
            },
            0,
            id="beyond the limit already",
        ),
        pytest.param({"proc/meminfo": "nothing of use"}, None, id="no source"),
    ],
)
def test_the_strictest_limit_counts(
    tmp_path: Path, files: Mapping[str, str], memory: int | None
) -> None:
    assert available_memory(host(tmp_path, files)) == memory
