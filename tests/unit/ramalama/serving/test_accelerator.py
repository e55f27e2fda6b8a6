"""What the engine has to say about the accelerator, and when it is asked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ramalama.config.options import ServeOptions
from ramalama.models.reference.reference import ModelRef
from ramalama.serving.accelerator import detect_on
from ramalama_accel import AcceleratorKind
from ramalama_engines import Engine, EngineKind, EngineUnavailable
from ramalama_engines.discovery.lazy_engine import EngineIdentity, LazyEngine
from tests.unit.accel.made_up_hosts import make as make_host

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama_accel import Host

OPTIONS = ServeOptions(model=ModelRef.parse("./model.gguf"))
IDENTITY = EngineIdentity(kind=EngineKind.DOCKER, url="unix:///docker.sock", rootless=False)


def refuse() -> Engine:
    msg = "nobody was to be asked"
    raise EngineUnavailable(msg)


@pytest.fixture
def geforces(tmp_path: Path) -> Host:
    """Two cards without a CDI specification."""
    made = make_host("two-geforces-by-oci-runtime", tmp_path).host
    return replace(made, oci_runtimes=())


def test_runtimes_that_are_known_are_not_asked_for(geforces: Host) -> None:
    engine = LazyEngine(IDENTITY, refuse)

    detection = detect_on(engine, geforces, OPTIONS, oci_runtimes=("nvidia", "runc"))

    assert detection.accelerator.kind is AcceleratorKind.CUDA
    assert detection.accelerator.oci_runtime == "nvidia"


def test_otherwise_the_engine_is_asked_where_there_is_an_nvidia_card(geforces: Host) -> None:
    with pytest.raises(EngineUnavailable, match="nobody was to be asked"):
        detect_on(LazyEngine(IDENTITY, refuse), geforces, OPTIONS)


@pytest.mark.parametrize("name", ["two-radeons", "vm-with-virtio-gpu"])
def test_no_other_host_waits_for_the_engine(tmp_path: Path, name: str) -> None:
    host = make_host(name, tmp_path).host

    assert detect_on(LazyEngine(IDENTITY, refuse), host, OPTIONS).findings


def test_nor_does_whoever_has_chosen_the_runtime(geforces: Host) -> None:
    options = replace(OPTIONS, oci_runtime="nvidia")

    assert detect_on(LazyEngine(IDENTITY, refuse), geforces, options).findings
