"""What the engine has to say about the accelerator, and when it is asked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ramalama.config.options import ServeOptions
from ramalama.models.reference.reference import ModelRef
from ramalama.serving.accelerator import detect_for
from ramalama_accel import AcceleratorKind
from tests.unit.accel.made_up_hosts import make as make_host

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama_accel import Host

OPTIONS = ServeOptions(model=ModelRef.parse("./model.gguf"))


class Asked(Exception):
    """The engine was asked for its runtimes."""


def refuse() -> tuple[str, ...]:
    raise Asked


@pytest.fixture
def geforces(tmp_path: Path) -> Host:
    """Two cards without a CDI specification."""
    made = make_host("two-geforces-by-oci-runtime", tmp_path).host
    return replace(made, oci_runtimes=())


def test_nvidias_cards_come_by_the_runtime_that_the_engine_has(geforces: Host) -> None:
    detection = detect_for(
        geforces, OPTIONS, rootless=False, oci_runtimes=lambda: ("nvidia", "runc")
    )

    assert detection.accelerator.kind is AcceleratorKind.CUDA
    assert detection.accelerator.oci_runtime == "nvidia"


def test_otherwise_the_engine_is_asked_where_there_is_an_nvidia_card(geforces: Host) -> None:
    with pytest.raises(Asked):
        detect_for(geforces, OPTIONS, rootless=False, oci_runtimes=refuse)


@pytest.mark.parametrize("name", ["two-radeons", "vm-with-virtio-gpu"])
def test_no_other_host_waits_for_the_engine(tmp_path: Path, name: str) -> None:
    host = make_host(name, tmp_path).host

    assert detect_for(host, OPTIONS, rootless=False, oci_runtimes=refuse).findings


def test_nor_does_whoever_has_chosen_the_runtime(geforces: Host) -> None:
    options = replace(OPTIONS, oci_runtime="nvidia")

    assert detect_for(geforces, options, rootless=False, oci_runtimes=refuse).findings
