"""Every made-up host, detected: exactly the right kind, image and devices."""

from pathlib import Path
from typing import Any

import pytest

from ramalama_accel import (
    Accelerator,
    Detection,
    InvalidVisibleDevices,
    Memory,
    default_image,
    detect,
)
from tests.unit.accel.made_up_hosts import NAMES, MadeUpHost, make

# What [expect] may say of an accelerator, and what is true where it says nothing.
_NEEDS: dict[str, Any] = {
    "cdi_devices": [],
    "device_paths": [],
    "groups": [],
    "oci_runtime": None,
    "env": {},
}


@pytest.fixture(params=NAMES)
def made_up(request: pytest.FixtureRequest, tmp_path: Path) -> MadeUpHost:
    return make(request.param, tmp_path)


def test_there_are_hosts_enough_to_speak_of() -> None:
    assert len(NAMES) >= 20


def test_every_host_names_its_source(made_up: MadeUpHost) -> None:
    assert len(made_up.source) > 10


def test_the_kind_and_the_image_are_exactly_right(made_up: MadeUpHost) -> None:
    kind = detect(made_up.host).accelerator.kind

    assert (str(kind), default_image(kind, version="0.25.0")) == (
        made_up.expect["kind"],
        made_up.expect["image"],
    )


def test_the_container_gets_exactly_what_it_needs(made_up: MadeUpHost) -> None:
    accelerator = detect(made_up.host).accelerator

    assert _needs(accelerator) == {
        key: made_up.expect.get(key, nothing) for key, nothing in _NEEDS.items()
    }


def test_the_gpus_are_described_as_far_as_the_kernel_tells(made_up: MadeUpHost) -> None:
    accelerator = detect(made_up.host).accelerator
    expected = {
        key: made_up.expect[key] for key in _description(accelerator) if key in made_up.expect
    }

    described = _description(accelerator)

    assert {key: described[key] for key in expected} == expected


def test_the_memory_of_every_gpu_is_told_with_who_says_so(made_up: MadeUpHost) -> None:
    gpus = detect(made_up.host).accelerator.gpus

    assert [_memory(gpu.memory) for gpu in gpus] == made_up.expect.get("memory", [])
    assert [_free(gpu.memory) for gpu in gpus] == made_up.expect.get(
        "free", ["unknown"] * len(gpus)
    )


def test_a_card_that_is_present_but_unusable_is_said_to_be_so(made_up: MadeUpHost) -> None:
    passed_over = _passed_over(detect(made_up.host))

    assert passed_over.keys() == made_up.expect.get("passed_over", {}).keys()
    for kind, words in made_up.expect.get("passed_over", {}).items():
        assert words in passed_over[kind]


def test_a_remedy_stands_beside_everything_unusable(made_up: MadeUpHost) -> None:
    findings = [finding for finding in detect(made_up.host).findings if not finding.usable]
    remedies = {str(finding.kind): finding.remedy for finding in findings}

    assert all(remedies.values())
    for kind, words in made_up.expect.get("remedies", {}).items():
        assert words in remedies[kind]


def test_what_the_user_asks_for_in_vain_is_an_error_and_never_a_silent_cpu(
    made_up: MadeUpHost,
) -> None:
    detection = detect(made_up.host)
    if "invalid" not in made_up.expect:
        assert detection.require() is detection.accelerator
        return

    with pytest.raises(InvalidVisibleDevices) as caught:
        detection.require()

    assert str(caught.value) == made_up.expect["invalid"]


def _needs(accelerator: Accelerator) -> dict[str, Any]:
    return {
        "cdi_devices": list(accelerator.cdi_devices),
        "device_paths": list(accelerator.device_paths),
        "groups": list(accelerator.groups),
        "oci_runtime": accelerator.oci_runtime,
        "env": dict(accelerator.env),
    }


def _description(accelerator: Accelerator) -> dict[str, Any]:
    gpus = accelerator.gpus
    return {
        "names": [gpu.name for gpu in gpus],
        "ids": [f"{gpu.vendor_id}:{gpu.device_id}" for gpu in gpus],
        "architectures": [gpu.architecture for gpu in gpus],
        "addresses": [gpu.pci_address for gpu in gpus],
        "partitions": [list(gpu.partitions) for gpu in gpus],
        "driver_version": accelerator.driver_version,
        "library_paths": list(accelerator.library_paths),
    }


def _memory(memory: Memory | None) -> str:
    return f"{memory.total} {memory.source}" if memory else "unknown"


def _free(memory: Memory | None) -> int | str:
    return "unknown" if memory is None or memory.free is None else memory.free


def _passed_over(detection: Detection) -> dict[str, str]:
    messages: dict[str, str] = {}
    for finding in detection.findings:
        if not finding.usable and detection.invalid is None:
            kind = str(finding.kind)
            messages[kind] = f"{messages.get(kind, '')}{finding.message}; "
    return messages
