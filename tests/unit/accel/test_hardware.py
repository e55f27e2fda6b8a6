"""What sysfs says of PCI devices, render nodes and the device tree."""

from pathlib import Path

import pytest

from ramalama_accel import Host
from ramalama_accel.hardware import Hardware, RenderNode, device_tree, parse_id
from tests.unit.accel.made_up_hosts import make


def test_only_display_controllers_and_accelerators_are_listed(tmp_path: Path) -> None:
    hardware = Hardware.scan(make("hgx-h100-with-mig", tmp_path).host)

    assert {device.device_id for device in hardware.pci} == {"2330"}


def test_a_render_node_without_a_driver_goes_by_its_device_s_name(tmp_path: Path) -> None:
    node = tmp_path / "sys/devices/platform/vgem/drm/renderD128"
    node.mkdir(parents=True)
    (node / "device").symlink_to("../../../vgem")
    (tmp_path / "sys/class/drm").mkdir(parents=True)
    (tmp_path / "sys/class/drm/renderD128").symlink_to("../../devices/platform/vgem/drm/renderD128")

    hardware = Hardware.scan(Host(root=tmp_path))

    assert hardware.render_nodes == (RenderNode(path="/dev/dri/renderD128", driver="vgem"),)


def test_a_node_that_sysfs_does_not_know_is_listed_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "dev/dri").mkdir(parents=True)
    (tmp_path / "dev/dri/renderD129").touch()

    hardware = Hardware.scan(Host(root=tmp_path))

    assert hardware.render_nodes == (RenderNode(path="/dev/dri/renderD129", driver=None),)


def test_a_hidden_vendor_takes_its_render_nodes_with_it(tmp_path: Path) -> None:
    hardware = Hardware.scan(make("laptop-nvidia-intel", tmp_path).host).without(["10de"])

    assert [device.vendor_id for device in hardware.pci] == ["8086"]
    assert [node.path for node in hardware.render_nodes] == ["/dev/dri/renderD128"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0x10de", "10de"),
        ("0x10DE", "10de"),
        ("10de", "10de"),
        ("0x10", ""),
        ("zzzz", ""),
        (None, ""),
    ],
)
def test_an_id_is_four_hexadecimal_digits_or_nothing(text: str | None, expected: str) -> None:
    assert parse_id(text) == expected


def test_the_device_tree_s_strings_end_with_a_zero_byte(tmp_path: Path) -> None:
    host = make("asahi-m2", tmp_path).host

    assert device_tree(host, "compatible") == ("apple,j473", "apple,t8112", "apple,arm-platform")
    assert device_tree(host, "no-such-property") == ()
