"""CDI specifications: which device names an engine can resolve, and which files are no good."""

import json
from pathlib import Path

import pytest

from ramalama_accel import Host
from ramalama_accel.cdi.specs import CdiInventory, CdiSpecDevice, read_inventory

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

    assert devices["nvidia.com/gpu=0"] == CdiSpecDevice(
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
        ('{"kind": 5}', "its kind is '5'"),
        ('{"kind": 1.5}', "kind is not text, put it in quotes"),
        (f'{{"kind": {"9" * 5000}}}', "kind is not text, put it in quotes"),
        ('{"kind": null}', "its kind is ''"),
        ('{"kind": "a/b", "devices": [], "kind": "c/d"}', "the key 'kind' appears twice"),
        (
            '{"kind": "a/b", "devices": [{"name": "x", "name": "y"}]}',
            "the key 'name' appears twice",
        ),
        ('{"kind": "a/b", "devices": [{"name": NaN}]}', "devices.0.name is not text"),
        ('{"kind": "a/b", "devices": [{"name": "-x"}]}', "'-x' is not a device name"),
        ('{"kind": "a/b", "devices": [{"name": "a b"}]}', "'a b' is not a device name"),
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


@pytest.mark.parametrize(
    "key", ["Path", "PATH", "hostPath", "HOSTPATH", "ho\N{LATIN SMALL LETTER LONG S}tPath"]
)
@pytest.mark.parametrize("name", ["a.json", "a.yaml"])
def test_a_node_outside_dev_cannot_hide_in_the_case_of_its_keys(
    tmp_path: Path, name: str, key: str
) -> None:
    edits = {"DeviceNodes": [{key: "/etc/shadow"}]}
    text = json.dumps({**GPU, "ContainerEdits": edits})

    found = inventory(tmp_path, {f"etc/cdi/{name}": text})

    assert found.devices == {}
    assert "'/etc/shadow', which is outside /dev" in found.problems[0]


def test_keys_that_differ_in_case_alone_are_one_key_twice(tmp_path: Path) -> None:
    text = '{"kind": "a/b", "Kind": "c/d", "devices": [{"name": "x"}]}'

    found = inventory(tmp_path, {"etc/cdi/a.json": text})

    assert found.devices == {}
    assert "the key 'kind' appears twice" in found.problems[0].replace("Kind", "kind")


def test_numbers_and_truth_values_of_json_are_names_as_they_are_to_engines(tmp_path: Path) -> None:
    edits = '"containerEdits": {"deviceNodes": [{"path": "/dev/x", "fileMode": 438, "x": 1.5}]}'
    names = '{"name": 0}, {"name": true}, {"name": null}'
    text = f'{{"kind": "a/b", "devices": [{names}], {edits}}}'

    found = inventory(tmp_path, {"etc/cdi/a.json": text})

    assert found.problems == ()
    assert sorted(found.of_kind("a/b")) == ["0", "true"]


def test_broken_yaml_is_a_problem_that_names_the_line(tmp_path: Path) -> None:
    found = inventory(tmp_path, {"etc/cdi/nvidia.yaml": "kind: a/b\n  devices: []\n"})

    (problem,) = found.problems
    assert problem.startswith("the CDI specification /etc/cdi/nvidia.yaml is not used: line 2: ")


def test_a_yaml_specification_may_use_all_of_yaml_but_aliases(tmp_path: Path) -> None:
    text = r"""--- # made by hand
kind: "nvidia.com\x2fgpu"
devices: [{name: 0}, {name: 1:0}, {name: "gpu\x30"}]
containerEdits:
  deviceNodes:
  - {path: /dev/nvidiactl, fileMode: 0666}
  - path: >-
      /dev/nvidia0
"""

    found = inventory(tmp_path, {"etc/cdi/nvidia.yaml": text})

    assert found.problems == ()
    assert sorted(found.of_kind("nvidia.com/gpu")) == ["0", "1:0", "gpu0"]
    assert found.devices["nvidia.com/gpu=gpu0"].nodes == ("/dev/nvidiactl", "/dev/nvidia0")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("kind: 0x10", "kind"),
        ("kind: a/b\ndevices: [{name: x}, {name: yes}]", "devices.1.name"),
        (
            "kind: a/b\ncontainerEdits: {mounts: [{hostPath: 1_0}]}",
            "containeredits.mounts.0.hostpath",
        ),
    ],
)
def test_what_the_engines_read_as_no_text_must_be_in_quotes(
    tmp_path: Path, text: str, place: str
) -> None:
    found = inventory(tmp_path, {"etc/cdi/a.yaml": text})

    assert found.devices == {}
    assert found.problems == (
        f"the CDI specification /etc/cdi/a.yaml is not used: {place} is not text, put it in quotes",
    )


def test_a_specification_that_is_no_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "etc/cdi/nvidia.yaml").mkdir(parents=True)

    assert "it cannot be read" in read_inventory(Host(root=tmp_path)).problems[0]
