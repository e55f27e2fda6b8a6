"""The world as a probe sees it: bounded, contained, and never an exception."""

import os
from pathlib import Path

import pytest

from ramalama_accel import DeviceNode, DeviceUser, Host

NODE = DeviceNode(mode=0o660, uid=0, gid=110)


def test_a_file_is_read_up_to_the_limit_and_no_further(tmp_path: Path) -> None:
    (tmp_path / "endless").write_text("x" * 1000)

    assert Host(root=tmp_path).read("/endless", limit=10) == "x" * 10


def test_bytes_that_are_no_text_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe1")

    assert Host(root=tmp_path).read("/binary") == "\ufffd\ufffd1"


@pytest.mark.parametrize("path", ["/missing", "/directory", "/fifo", "/loop", "/a\0b"])
def test_what_is_no_readable_file_is_absent(tmp_path: Path, path: str) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "fifo")
    host = Host(root=tmp_path)

    assert host.read(path) is None
    assert host.value(path) is None
    assert host.names(path) == ()


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("17\n", 17),
        ("0", 0),
        ("18446744073709551615\n", 2**64 - 1),
        ("18446744073709551616\n", None),
        ("9" * 400, None),
        ("-1\n", None),
        ("1 2\n", None),
        ("0x10\n", None),
        ("٣\n", None),
        ("", None),
    ],
)
def test_a_number_is_all_of_a_files_text_and_fits_into_64_bits(
    tmp_path: Path, text: str, number: int | None
) -> None:
    (tmp_path / "file").write_text(text)

    assert Host(root=tmp_path).number("/file") == number


def test_a_link_that_leads_out_of_the_root_is_as_good_as_missing(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "sys").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (root / "sys/file").symlink_to("../../secret")
    (root / "sys/directory").symlink_to("../..")
    host = Host(root=root)

    assert host.read("/sys/file") is None
    assert host.read("/../secret") is None
    assert not host.exists("/sys/file")
    assert host.names("/sys/directory") == ()
    assert host.link_name("/sys/directory/secret") is None


def test_a_link_inside_the_root_is_followed(tmp_path: Path) -> None:
    (tmp_path / "devices").mkdir()
    (tmp_path / "devices/value").write_text(" 0x10de\n")
    (tmp_path / "link").symlink_to("devices")

    assert Host(root=tmp_path).value("/link/value") == "0x10de"


def test_numbers_come_in_numeric_order_and_once(tmp_path: Path) -> None:
    for name in ("card1", "card10", "card2", "card02", "card", "cardX", "card²", "render7"):
        (tmp_path / name).touch()

    assert Host(root=tmp_path).numbers("/", "card") == (1, 2, 10)


def test_a_listing_is_bounded(tmp_path: Path) -> None:
    for number in range(5000):
        (tmp_path / f"n{number}").touch()

    assert len(Host(root=tmp_path).names("/")) == 4096


@pytest.mark.parametrize(
    ("user", "allowed"),
    [
        (DeviceUser(uid=0, gids=frozenset()), True),
        (DeviceUser(uid=1000, gids=frozenset({110})), True),
        (DeviceUser(uid=1000, gids=frozenset({44})), False),
    ],
)
def test_the_mode_decides_who_may_use_a_made_up_node(*, user: DeviceUser, allowed: bool) -> None:
    host = Host(user=user, nodes={"/dev/kfd": NODE})

    assert host.may_use("/dev/kfd") is allowed


@pytest.mark.parametrize(
    ("mode", "allowed"), [(0o600, True), (0o066, False), (0o400, False), (0o666, True)]
)
def test_an_owner_is_judged_by_the_owner_s_bits(*, mode: int, allowed: bool) -> None:
    owner = DeviceUser(uid=7, gids=frozenset({110}))

    assert owner.may_use(DeviceNode(mode=mode, uid=7, gid=110)) is allowed


def test_a_node_that_is_not_listed_may_not_be_used() -> None:
    assert not Host(nodes={}).may_use("/dev/kfd")


def test_the_real_file_system_answers_where_nothing_is_made_up() -> None:
    host = Host()

    node = host.node("/dev/null")

    assert node is not None
    assert node.mode & 0o666 == 0o666
    assert host.may_use("/dev/null")
    assert host.node("/dev") is None
    assert not host.may_use("/dev/no-such-node")


def test_a_group_has_its_name_or_else_its_number(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/group").write_text("root:x:0:\nbroken\nrender:x:110:me,you\n")
    host = Host(root=tmp_path)

    assert [host.group_name(110), host.group_name(44)] == ["render", "44"]
