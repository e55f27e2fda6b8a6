"""What a container prints of its host is read, and nothing in it can do harm."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from ramalama.serving.sides.host_listing import HostListing, read_listing
from ramalama.serving.sides.snapshot import Snapshot
from ramalama_accel import DeviceNode, detect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

URL = "tcp://far.example:2376"


def file(path: str, content: bytes) -> list[str]:
    return [f"f {path}", base64.b64encode(content).decode(), "."]


def test_every_kind_of_line_is_understood() -> None:
    listing = read_listing(
        [
            "machine aarch64",
            "v /sys/module/amdgpu/version 6.12 \x1b[2J",
            *file("/proc/device-tree/compatible", b"apple,j473\0apple,t8112\0"),
            "l /sys/class/drm/renderD128/device ../../../virtio3",
            "e /sys/class/kfd/kfd/topology",
            "c 660 0 110 /dev/dri/renderD128",
            "o /dev/dri/renderD128",
            "end",
        ]
    )

    assert listing.machine == "aarch64"
    assert listing.files == {
        "/sys/module/amdgpu/version": b"6.12 \x1b[2J\n",
        "/proc/device-tree/compatible": b"apple,j473\0apple,t8112\0",
    }
    assert listing.links == {"/sys/class/drm/renderD128/device": "virtio3"}
    assert "/sys/class/kfd/kfd/topology" in listing.directories
    assert listing.nodes == {"/dev/dri/renderD128": DeviceNode(mode=0o660, uid=0, gid=110)}
    assert listing.openable == {"/dev/dri/renderD128"}


def test_a_shell_that_says_that_root_may_open_everything_is_not_believed() -> None:
    lines = [
        "c 600 65534 65534 /dev/mem",
        "c 660 65534 65534 /dev/kfd",
        "c 666 65534 65534 /dev/dri/renderD128",
        "o /dev/kfd",
        "o /dev/dri/renderD128",
    ]

    assert read_listing([*lines, "end"]).openable == {"/dev/kfd", "/dev/dri/renderD128"}
    assert read_listing([*lines, "o /dev/mem", "end"]).openable == {"/dev/dri/renderD128"}


def endless() -> Iterator[str]:
    while True:
        yield "v /sys/module/amdgpu/version 1"


def endless_file() -> Iterator[str]:
    yield "f /etc/cdi/a.json"
    while True:
        yield "AAAA" * 1000


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["machine x86_64"],
        ["f /etc/cdi/a.json", "AAAA"],
        ["f /etc/cdi/a.json", "not base64!", ".", "end"],
        ["f /etc/cdi/a.json", "AAA", ".", "end"],
        ["f /etc/cdi/a.json", "ÄÄÄÄ", ".", "end"],
        ["machine ../../etc", "end"],
        ["c 999 0 0 /dev/null", "end"],
        ["c 666 0 99999999999 /dev/null", "end"],
        ["c 666 -1 0 /dev/null", "end"],
        ["sh: 1: cannot open /dev/null", "end"],
        ["", "end"],
        ["v" * 10_000_000, "end"],
        endless(),
        endless_file(),
    ],
)
def test_output_that_is_cut_off_or_odd_or_huge_is_refused(lines: Iterator[str]) -> None:
    with pytest.raises(ValueError, match="output"):
        read_listing(lines)


@pytest.mark.parametrize(
    "path",
    [
        "/sys/../../../etc/passwd",
        "/sys/..",
        "/sys/.",
        "/sys/a/./b",
        "/sys//a",
        "/sys/",
        "/etc/passwd",
        "/root/.ssh/authorized_keys",
        "etc/cdi/a.json",
        "../etc/cdi/a.json",
        "/etc/cdi/../a.json",
        "/dev/a\0b",
        "/dev/a\x1b[2J",
        "/dev/ä",
        "/dev/a\\b",
        f"/sys/{'a' * 129}",
        f"/sys{'/a' * 16}",
        "",
    ],
)
def test_an_entry_at_an_odd_place_is_passed_over(path: str) -> None:
    listing = read_listing([f"v {path} 1", *file(path, b"1"), f"l {path} x", f"e {path}", "end"])

    assert listing == HostListing()


@pytest.mark.parametrize("target", ["", "/", "..", ".", "a/..", "a b/c d", "x" * 129, "a\0"])
def test_a_link_has_a_plain_name_as_its_target(target: str) -> None:
    assert not read_listing([f"l /sys/class/drm/renderD128/device {target}", "end"]).links


def test_links_are_made_below_sys_alone() -> None:
    assert not read_listing(["l /dev/dri x", "l /etc/cdi/a.json x", "end"]).links


def test_nothing_is_below_a_link_or_a_file(tmp_path: Path) -> None:
    listing = read_listing(
        [
            "l /sys/a link",
            "v /sys/a/b 1",
            "v /sys/a 1",
            "e /sys/a",
            "v /sys/c 1",
            "l /sys/c/d e",
            "v /sys/x/y 1",
            "v /sys/x 1",
            "l /sys/x y",
            "end",
        ]
    )

    assert set(listing.files) == {"/sys/c", "/sys/x/y"}
    assert listing.links == {"/sys/a": "link"}
    assert Snapshot.write(tmp_path, URL, listing, engine="", rootless=False) is not None


def test_the_number_of_entries_is_limited() -> None:
    lines = [f"v /sys/{n}/a 1" for n in range(40_000)]

    assert len(read_listing([*lines, "end"]).files) <= 4096


def test_many_directories_in_few_lines_are_limited_as_well() -> None:
    deep = "/a" * 13
    lines = [f"e /sys/{n}{deep}" for n in range(40_000)]

    assert len(read_listing([*lines, "end"]).directories) < 5000


def test_nothing_is_written_outside_of_the_snapshot(tmp_path: Path) -> None:
    listing = read_listing(["l /sys/a/driver up", "v /sys/b 1", "end"])
    outside = [
        ("/../../escaped", b""),
        ("/usr/../../../escaped", b""),
        ("/sys/a/driver/escaped", b""),
        ("/sys/b/under-a-file", b""),
        ("relative", b""),
        ("/usr/nul\0", b""),
        ("/usr/lib/ok", b"1"),
    ]

    snapshot = Snapshot.write(
        tmp_path / "run", URL, listing, engine="", rootless=False, more=lambda _: outside
    )

    assert snapshot is not None
    root = snapshot.directory / "root"
    assert (root / "usr/lib/ok").read_bytes() == b"1"
    assert not [path for path in tmp_path.rglob("*escaped*") if root not in path.parents]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert [path.name for path in (tmp_path / "run").iterdir()] == [snapshot.directory.name]
    assert all(path.resolve().is_relative_to(root.resolve()) for path in root.rglob("*"))


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"version": 1}', '{"version": 0, "engine": ""}']
)
def test_a_damaged_snapshot_does_not_count(content: str, tmp_path: Path) -> None:
    snapshot = Snapshot.write(tmp_path, URL, HostListing(), engine="", rootless=False)
    assert snapshot is not None
    (snapshot.directory / "about.json").write_text(content)

    assert Snapshot.read(tmp_path, URL, engine="") is None


@pytest.mark.parametrize("rootless", [False, True])
def test_what_is_kept_is_what_was_found(tmp_path: Path, *, rootless: bool) -> None:
    listing = read_listing(
        ["machine x86_64", "c 660 0 44 /dev/kfd", "c 600 0 0 /dev/mem", "o /dev/kfd", "end"]
    )

    made = Snapshot.write(tmp_path, URL, listing, engine="7", rootless=rootless, failure="none")
    read = Snapshot.read(tmp_path, URL, engine="7")

    assert made is not None
    assert read is not None
    assert (read.directory, read.failure) == (made.directory, "none")
    one, other = made.host({}), read.host({})
    assert (one.nodes, one.machine, one.user) == (other.nodes, other.machine, other.user)
    assert one.may_use("/dev/kfd")
    assert one.may_use("/dev/mem") is not rootless
    assert detect(one) == detect(other)
