"""A card that is there and cannot be used: one sentence says why, another what to do."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ramalama_accel import AcceleratorKind, DeviceNode, DeviceUser, Host, detect
from tests.unit.accel.made_up_hosts import make

Change = Callable[[Host], Host]

ROOTS_OWN = DeviceNode(mode=0o600, uid=0, gid=0)
FOR_VIDEO = DeviceNode(mode=0o660, uid=0, gid=44)
GEFORCES = "NVIDIA GeForce RTX 3080 and NVIDIA GeForce RTX 5090"
STRANGER = DeviceUser(uid=1000, gids=frozenset())


def no_nodes(host: Host) -> Host:
    return replace(host, nodes={})


def by_a_stranger(host: Host) -> Host:
    return replace(host, user=STRANGER)


def on_arm(host: Host) -> Host:
    return replace(host, machine="aarch64")


def all_nodes(node: DeviceNode) -> Change:
    return lambda host: replace(host, user=STRANGER, nodes=dict.fromkeys(host.nodes or {}, node))


@pytest.mark.parametrize(
    ("name", "change", "message", "remedy"),
    [
        (
            "arc-b580",
            no_nodes,
            "Intel GPU 0000:01:00.0 (bmg): its device node /dev/dri/renderD128 does not exist",
            "inside a container, pass the node in",
        ),
        (
            "asahi-m2",
            all_nodes(ROOTS_OWN),
            "Apple Mac mini (M2, 2023): this user may not open /dev/dri/renderD128",
            "add a udev rule that lets one of your groups read and write /dev/dri/renderD128",
        ),
        (
            "ascend-910b-eight",
            by_a_stranger,
            "8 x Ascend 910B: this user may not open /dev/davinci0",
            "join its group: `sudo usermod -aG HwHiAiUser $USER`, then log in again",
        ),
        (
            "mtt-s80",
            no_nodes,
            "MTT S80 0000:01:00.0: its device node /dev/mtgpu.0 does not exist",
            "check the driver",
        ),
        (
            "two-geforces",
            all_nodes(FOR_VIDEO),
            f"2 x {GEFORCES}: this user may not open /dev/nvidia0",
            "`sudo usermod -aG video $USER`",
        ),
        (
            "two-geforces-by-oci-runtime",
            all_nodes(FOR_VIDEO),
            "1 NVIDIA GPU(s): this user may not open /dev/nvidia1",
            "`sudo usermod -aG video $USER`",
        ),
        (
            "flex-170-pair",
            on_arm,
            "Intel GPU 0000:4d:00.0 (ats-m): oneAPI exists for x86_64 only",
            "nothing to do: Vulkan is used",
        ),
    ],
)
def test_the_first_obstacle_is_said_with_its_remedy(
    tmp_path: Path, name: str, change: Change, message: str, remedy: str
) -> None:
    finding = detect(change(make(name, tmp_path).host)).findings[0]

    assert finding.message == message
    assert remedy in finding.remedy
    assert not finding.usable


def test_one_card_of_two_is_enough(tmp_path: Path) -> None:
    host = make("flex-170-pair", tmp_path).host
    nodes = {**(host.nodes or {}), "/dev/dri/renderD128": ROOTS_OWN}

    accelerator = detect(replace(host, nodes=nodes)).accelerator

    assert accelerator.kind is AcceleratorKind.INTEL
    assert accelerator.device_paths == ("/dev/dri/renderD129",)


def test_a_card_that_cdi_has_no_name_for_is_not_quietly_swapped_for_another(tmp_path: Path) -> None:
    host = make("two-geforces", tmp_path).host
    spec = 'kind: nvidia.com/gpu\ndevices:\n- name: "0"\n  containerEdits: {}\n'
    (tmp_path / "var/run/cdi/nvidia.yaml").write_text(spec)

    detection = detect(replace(host, env={"CUDA_VISIBLE_DEVICES": "1"}))

    assert detection.findings[0].message.endswith("CDI offers only 0")
    assert detection.accelerator.kind is AcceleratorKind.CPU


def test_without_the_name_all_every_card_is_asked_for_by_its_own(tmp_path: Path) -> None:
    host = make("two-geforces", tmp_path).host
    spec = "kind: nvidia.com/gpu\ndevices:\n- name: gpu0\n- name: gpu1\n"
    (tmp_path / "var/run/cdi/nvidia.yaml").write_text(spec)

    assert detect(host).accelerator.cdi_devices == ("nvidia.com/gpu=gpu0", "nvidia.com/gpu=gpu1")


def test_a_minor_number_that_is_none_never_becomes_a_path(tmp_path: Path) -> None:
    host = make("two-geforces", tmp_path).host
    information = tmp_path / "proc/driver/nvidia/gpus/0000:06:00.0/information"
    information.write_text("Model: \t x\nDevice Minor: \t ../sda\n")

    gpus = detect(replace(host, oci_runtimes=("nvidia",))).accelerator.gpus

    assert gpus[1].nodes == ("/dev/nvidia1",)


def test_a_mig_device_is_left_to_the_oci_runtime_to_find(tmp_path: Path) -> None:
    host = make("hgx-h100-with-mig", tmp_path).host
    env = {"CUDA_VISIBLE_DEVICES": "MIG-0a1b,0:1"}

    accelerator = detect(replace(host, env=env, oci_runtimes=("nvidia",))).accelerator

    assert accelerator.env["NVIDIA_VISIBLE_DEVICES"] == "MIG-0a1b,0:1"
    assert len(accelerator.gpus) == 8
