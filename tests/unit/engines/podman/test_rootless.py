"""Find the options that a rootless podman would ignore."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ramalama_engines.podman.rootless import requires_limits, rootless_drops
from ramalama_engines.spec import CdiDevice, ContainerSpec, HostDevice

PLAIN = ContainerSpec(image="x")
OPTIONAL = ("pids_limit", "memory_limit")
ALL = ("cpu", "memory", "pids")


@pytest.mark.parametrize(
    ("asked", "controllers", "dropped"),
    [
        ({}, (), []),
        ({"pids_limit": 9, "memory_limit": 8}, ALL, []),
        ({"pids_limit": 9, "memory_limit": 8}, (), ["pids limit 9 ", "memory limit 8 "]),
        ({"pids_limit": 9, "memory_limit": 8}, ("pids",), ["memory limit 8 "]),
        ({"pids_limit": -1, "memory_limit": 0}, (), []),
        ({"pids_limit": 9, "memory_limit": 8, "optional_limits": OPTIONAL}, (), []),
        (
            {"pids_limit": 9, "memory_limit": 8, "optional_limits": ("pids_limit",)},
            (),
            ["memory limit 8 "],
        ),
        ({"devices": (HostDevice.parse("/dev/a"),)}, ALL, []),
        ({"devices": (HostDevice.parse("/dev/a::rw"),)}, ALL, []),
        ({"devices": (CdiDevice(name="a.b/c=d"),)}, ALL, []),
        (
            {"devices": (HostDevice.parse("/dev/a:/dev/b:r"), HostDevice.parse("/dev/c:wm"))},
            ALL,
            ["permissions 'r' of device /dev/b ", "permissions 'wm' of device /dev/c "],
        ),
    ],
)
def test_options_without_effect_are_named_with_their_remedy(
    asked: dict[str, Any], controllers: tuple[str, ...], dropped: list[str]
) -> None:
    named = rootless_drops(replace(PLAIN, **asked), controllers=controllers)

    assert [option.partition("(")[0] for option in named] == dropped


@pytest.mark.parametrize(
    ("asked", "required"),
    [
        ({}, False),
        ({"pids_limit": -1}, False),
        ({"pids_limit": 1}, True),
        ({"memory_limit": 1}, True),
        ({"memory_limit": 1, "optional_limits": OPTIONAL}, False),
    ],
)
def test_only_required_limits_of_cgroups_make_it_worth_asking_for_controllers(
    asked: dict[str, Any],
    required: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    assert requires_limits(replace(PLAIN, **asked)) == required
