"""CDI specifications: which device names an engine can resolve, and which files are no good."""

import json
from pathlib import Path

import pytest

from ramalama_accel import Host
from ramalama_accel.cdi import CdiDevice, CdiInventory, read_inventory

GPU = {"cdiVersion": "0.5.0", "kind": "nvidia.com/gpu", "devices": [{"name": "0"}, {"name": "all"}]}


def inventory(root: Path, files: dict[str, str]) -> CdiInventory:
    for path, text in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return read_inventory(Host(root=root))


def test_no_directory_is_no_device_and_no_problem(tmp_path: Path) -> None:
    assert read_inventory(Host(root=tmp_path)) == CdiInventory()


def test_a_device_needs_its_own_nodes_and_files_and_those_of_its_specification(
    tmp_path: Path,
) -> None:
    text = """
kind: nvidia.com/gpu
containerEdits:
  deviceNodes:
  - path: /dev/nvidiactl
  mounts:
  - containerPath: /usr/lib/libcuda.so.1
    hostPath: /opt/driver/libcuda.so.1
devices:
- name: "0"
  containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
      hostPath: /dev/host-nvidia0
- name: "1"
  containerEdits:
    deviceNodes:
    - path: /dev/nvidia1
    mounts:
    - containerPath: /x
      hostPath: /y
"""

    devices = inventory(tmp_path, {"etc/cdi/nvidia.yaml": text}).devices

    assert devices["nvidia.com/gpu=0"] == CdiDevice(
        name="nvidia.com/gpu=0",
        spec="/etc/cdi/nvidia.yaml",
        nodes=("/dev/nvidiactl", "/dev/host-nvidia0"),
        files=("/opt/driver/libcuda.so.1",),
    )
    assert devices["nvidia.com/gpu=1"].nodes == ("/dev/nvidiactl", "/dev/nvidia1")
    assert devices["nvidia.com/gpu=1"].files == ("/opt/driver/libcuda.so.1", "/y")


@pytest.mark.parametrize("name", ["nvidia.json", "nvidia.yaml"])
def test_json_is_read_under_either_name(tmp_path: Path, name: str) -> None:
    found = inventory(tmp_path, {f"etc/cdi/{name}": json.dumps(GPU)})

    assert sorted(found.of_kind("nvidia.com/gpu")) == ["0", "all"]
    assert found.of_kind("nvidia.com/mig") == {}


def test_other_files_are_left_alone_as_engines_leave_them(tmp_path: Path) -> None:
    found = inventory(tmp_path, {"etc/cdi/nvidia.yml": json.dumps(GPU), "etc/cdi/README": "hello"})

    assert found == CdiInventory()


def test_the_generated_directory_goes_before_the_administrator_s(tmp_path: Path) -> None:
    text = json.dumps(GPU)

    found = inventory(tmp_path, {"etc/cdi/a.json": text, "var/run/cdi/b.json": text})

    assert found.devices["nvidia.com/gpu=0"].spec == "/var/run/cdi/b.json"
    assert found.problems == ()


def test_a_name_that_one_directory_defines_twice_cannot_be_resolved(tmp_path: Path) -> None:
    other = {"kind": "nvidia.com/gpu", "devices": [{"name": "0"}]}

    found = inventory(
        tmp_path, {"etc/cdi/a.json": json.dumps(GPU), "etc/cdi/b.json": json.dumps(other)}
    )

    assert sorted(found.devices) == ["nvidia.com/gpu=all"]
    assert found.problems == ("the CDI device nvidia.com/gpu=0 is defined twice in /etc/cdi",)


def with_node(path: str) -> str:
    edits = {"containerEdits": {"deviceNodes": [{"path": path}]}}
    return json.dumps({**GPU, **edits})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("[1, 2]", "its kind is ''"),
        ("null", "its kind is ''"),
        ("[" * 100_000, "recursion"),
        ('{"kind": "no-slash"}', "its kind is 'no-slash'"),
        ('{"kind": 5}', "its kind is ''"),
        ('{"kind": ' + "5" * 100_000 + "}", "its kind is ''"),
        ('{"kind": "a/b", "devices": [{"name": "-x"}]}', "'-x' is no device name"),
        ('{"kind": "a/b", "devices": [{"name": "a b"}]}', "'a b' is no device name"),
        (with_node("/etc/shadow"), "'/etc/shadow', which is outside /dev"),
        (with_node("/dev/../etc/shadow"), "outside /dev"),
        (with_node("//dev/sda"), "outside /dev"),
        (with_node("/dev"), "outside /dev"),
        (with_node("dev/nvidia0"), "outside /dev"),
        ('{"kind": "a/b"}' + " " * 1024 * 1024, "larger than 1 MiB"),
    ],
)
def test_a_bad_specification_is_one_problem_and_offers_nothing(
    tmp_path: Path, text: str, reason: str
) -> None:
    found = inventory(tmp_path, {"etc/cdi/bad.json": text, "etc/cdi/good.json": json.dumps(GPU)})

    assert sorted(found.of_kind("nvidia.com/gpu")) == ["0", "all"]
    assert len(found.problems) == 1
    assert found.problems[0].startswith("the CDI specification /etc/cdi/bad.json is not used: ")
    assert reason in found.problems[0]


def test_broken_yaml_is_a_problem_that_names_the_line(tmp_path: Path) -> None:
    found = inventory(tmp_path, {"etc/cdi/nvidia.yaml": "kind: a/b\n  devices: []\n"})

    assert "line 2: wrong indentation" in found.problems[0]


def test_a_specification_that_is_no_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "etc/cdi/nvidia.yaml").mkdir(parents=True)

    assert "it cannot be read" in read_inventory(Host(root=tmp_path)).problems[0]
