"""A GPU that is not used is never passed over in silence, unless its user hides it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ramalama_accel import Host, detect
from ramalama_accel.unused_gpus import describe_passed_over, passed_over
from tests.unit.accel.made_up_hosts import make

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nvidia-driver-not-loaded", ("no kernel driver", "install NVIDIA's driver")),
        ("laptop-nvidia-intel-without-cdi", ("no CDI specification", "nvidia-ctk cdi generate")),
        ("cdi-out-of-date", ("is out of date", "after every driver update")),
        ("cdi-hostile", ("which is outside /dev", "nvidia-ctk cdi generate")),
        ("two-radeons-without-permission", (" (nor 1 more): AMD GPU", "join its group")),
        ("ascend-without-driver", ("no /dev/davinci node", "install the Ascend HDK driver")),
        ("asahi-without-gpu-driver", ("no GPU driver", "a kernel of the Asahi project")),
        ("wsl2-without-nvidia", ("/dev/dxg", "NVIDIA's driver for Windows")),
    ],
)
def test_a_start_says_why_a_gpu_is_not_used_and_what_to_do(
    name: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    said = describe_passed_over(detect(make(name, tmp_path).host), {})

    assert said is not None
    assert said.startswith("a GPU of this host is not used")
    assert all(word in said for word in words), said
    assert "\n" not in said


@pytest.mark.parametrize(
    "name",
    [
        "vm-without-gpu",
        "vm-with-virtio-gpu",
        "raspberry-pi-5",
        "two-geforces",
        "ryzen-780m",
        "intel-skylake",
    ],
)
def test_a_start_says_nothing_where_all_is_used_or_there_is_none(name: str, tmp_path: Path) -> None:
    assert describe_passed_over(detect(make(name, tmp_path).host), {}) is None


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("nvidia-driver-not-loaded", "CUDA_VISIBLE_DEVICES"),
        ("two-radeons-without-permission", "HIP_VISIBLE_DEVICES"),
        ("two-radeons-without-permission", "ROCR_VISIBLE_DEVICES"),
    ],
)
def test_a_card_that_its_user_hides_is_no_matter(tmp_path: Path, name: str, variable: str) -> None:
    made_up = make(name, tmp_path).host
    env = {variable: ""}
    host = Host(root=made_up.root, nodes=made_up.nodes, user=made_up.user, env=env)

    assert list(passed_over(detect(host), env)) == []
    assert describe_passed_over(detect(host), env) is None


def test_a_wrong_gfx_version_is_no_matter_where_no_such_card_is(tmp_path: Path) -> None:
    env = {"HSA_OVERRIDE_GFX_VERSION": "banana"}

    assert describe_passed_over(detect(Host(root=tmp_path, env=env)), env) is None
