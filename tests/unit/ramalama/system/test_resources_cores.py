"""How many cores a server may use, on made-up trees of control groups."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ramalama.system.resources import default_threads, usable_cores

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# As many as the tests may run on: a limit can only make it fewer.
ALL = len(os.sched_getaffinity(0))
FULL = str(ALL * 100_000)

TOP = "sys/fs/cgroup"


def make_tree(root: Path, membership: str, files: Mapping[str, str]) -> None:
    for path, text in {"proc/self/cgroup": membership, **files}.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


def v1(group: str, quota: str, period: str = "100000") -> dict[str, str]:
    place = f"{TOP}/cpu/{group}".rstrip("/")
    return {f"{place}/cpu.cfs_quota_us": f"{quota}\n", f"{place}/cpu.cfs_period_us": f"{period}\n"}


@pytest.mark.parametrize(
    ("membership", "files", "cores"),
    [
        ("0::/user.slice/app\n", {f"{TOP}/user.slice/app/cpu.max": "100000 100000\n"}, 1),
        ("0::/\n", {f"{TOP}/cpu.max": "100000 100000\n"}, 1),
        (
            "0::/user.slice/app\n",
            {
                f"{TOP}/user.slice/cpu.max": "50000 50000\n",
                f"{TOP}/user.slice/app/cpu.max": "max 100000\n",
            },
            1,
        ),
        ("0::/app\n", {f"{TOP}/app/cpu.max": "199999 100000\n"}, 1),
        ("0::/app\n", {f"{TOP}/app/cpu.max": "20000 100000\n"}, 1),
        ("0::/../other\n", {f"{TOP}/cpu.max": "100000 100000\n"}, 1),
        ("0::/app\n", {f"{TOP}/app/cpu.max": f"{FULL} 100000\n"}, ALL),
        ("0::/app\n", {f"{TOP}/app/cpu.max": "9900000 100000\n"}, ALL),
        ("0::/app\n", {f"{TOP}/app/cpu.max": "max 100000\n"}, ALL),
        ("0::/app\n", {f"{TOP}/else/cpu.max": "100000 100000\n"}, ALL),
        ("4:cpu,cpuacct:/docker/0a\n", v1("docker/0a", "100000"), 1),
        ("4:cpuacct,cpu:/docker/0a\n", v1("", "100000"), 1),
        ("4:cpu:/docker/0a\n", v1("docker/0a", "-1"), ALL),
        ("4:cpuset:/docker/0a\n", v1("docker/0a", "100000"), ALL),
        ("2:cpu:/\n1:name=systemd:/\n0::/\n", v1("", "100000"), 1),
    ],
    ids=[
        "v2",
        "v2-in-a-container",
        "v2-limited-further-up",
        "v2-a-part-is-rounded-down",
        "v2-less-than-one-is-one",
        "v2-outside-our-namespace",
        "v2-all-there-are",
        "v2-more-than-there-are",
        "v2-unlimited",
        "v2-another-group-is-limited",
        "v1",
        "v1-in-a-container",
        "v1-unlimited",
        "v1-another-controller",
        "both-versions",
    ],
)
def test_the_kernels_limit_on_our_time_counts_as_cores(
    tmp_path: Path, membership: str, files: dict[str, str], cores: int
) -> None:
    make_tree(tmp_path, membership, files)

    assert usable_cores(tmp_path) == cores


@pytest.mark.parametrize(
    "limit", ["", "100000", "100000 0", "-5 100000", "1e5 1e5", "100000 100000 7", "²00000 100000"]
)
def test_a_limit_that_makes_no_sense_is_none(tmp_path: Path, limit: str) -> None:
    make_tree(tmp_path, "0::/app\n", {f"{TOP}/app/cpu.max": limit})

    assert usable_cores(tmp_path) == ALL


@pytest.mark.parametrize("membership", ["", "nonsense", "0:", "::"])
def test_without_control_groups_the_affinity_alone_counts(tmp_path: Path, membership: str) -> None:
    make_tree(tmp_path, membership, {})

    assert usable_cores(tmp_path) == ALL


def test_fewer_allowed_processors_are_fewer_cores() -> None:
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(everywhere)})
    try:
        cores = usable_cores()
    finally:
        os.sched_setaffinity(0, everywhere)

    assert cores == 1


def test_half_of_the_cores_are_for_the_server_and_never_none() -> None:
    assert default_threads() == max(1, usable_cores() // 2)
