"""The doctor and `info`, with an engine on another host: whose devices count there."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ramalama.api.client import Ramalama
from ramalama.config.config import Config
from ramalama.diagnostics.compare import Problem
from ramalama.diagnostics.doctor import Diagnosis, examine
from ramalama.events import ignore
from ramalama_accel import AcceleratorKind, Host
from ramalama_engines import ContainerSpec, InvokingUser, PullPolicy
from ramalama_engines.fake.engine import FakeEngine, FakeProgram
from tests.unit.accel.made_up_hosts import make as make_host
from tests.unit.ramalama.diagnostics.test_doctor import healthy
from tests.unit.ramalama.serving.servers import IMAGE_NAME, ServerFixture
from tests.unit.ramalama.serving.sides.far_host import list_files, make_engine

if TYPE_CHECKING:
    from pathlib import Path


class FarSurgery:
    """A user of this host, and an engine on another one."""

    def __init__(self, root: Path, *, here: Host, there: Host, images: tuple[str, ...]) -> None:
        self.there = there
        self.servers = ServerFixture(root=root)
        self.engine: FakeEngine = make_engine(self._script, root=there.root, images=images)
        self.ramalama = Ramalama(
            engine=self.engine,
            host=here,
            user=self.servers.ramalama().user,
            run_dir=self.servers.run_dir,
        )

    def _script(self, spec: ContainerSpec) -> FakeProgram:
        if (spec.entrypoint or ("",))[0] in ("sh", "true"):
            return FakeProgram(logs=tuple(list_files(self.there, spec)), exit_code=0)
        return healthy(spec)

    def examine(self) -> Diagnosis:
        options = replace(self.servers.options, pull_policy=PullPolicy.NEVER)
        diagnosis = examine(self.ramalama, options, on_event=ignore)
        assert not self.engine.list({})
        return diagnosis


def surgery(root: Path, *, images: tuple[str, ...] = (IMAGE_NAME,)) -> FarSurgery:
    here = make_host("two-geforces", root / "here").host
    there = make_host("ryzen-780m", root / "there").host
    return FarSurgery(root, here=here, there=there, images=images)


def test_the_doctor_looks_at_the_engines_host(run_dir: Path) -> None:
    far = surgery(run_dir)

    diagnosis = far.examine()

    assert diagnosis.detection.accelerator.kind is AcceleratorKind.VULKAN
    assert diagnosis.host == far.engine.url
    assert diagnosis.problems == ()


def test_without_an_image_there_the_accelerators_are_unknown_and_the_doctor_says_so(
    run_dir: Path,
) -> None:
    far = surgery(run_dir, images=())

    diagnosis = far.examine()

    assert diagnosis.detection.accelerator.kind is AcceleratorKind.CPU
    assert diagnosis.problems[0] == Problem(
        message=f"the accelerators of {far.engine.url} are not known: "
        "they are looked for when the first server starts there",
        remedy="repeat the command with --pull=missing",
    )


def test_devices_of_this_host_do_not_count_for_an_engine_elsewhere(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("this host was asked")

    far = surgery(run_dir)
    monkeypatch.setattr("ramalama.diagnostics.doctor.Host", refuse)

    assert far.examine().problems == ()


def test_info_knows_the_accelerators_of_the_engines_host_since_they_were_looked_for(
    run_dir: Path,
) -> None:
    far = surgery(run_dir)

    before = far.ramalama.engine_accelerators()
    far.ramalama.look_at_engine(IMAGE_NAME)
    after = far.ramalama.engine_accelerators()

    assert before.detection.accelerator.kind is AcceleratorKind.CPU
    assert before.unknown
    assert (after.detection.accelerator.kind, after.unknown) == (AcceleratorKind.VULKAN, "")
    assert after.host == far.engine.url
    assert far.ramalama.detect().accelerator.kind is AcceleratorKind.CUDA


def test_without_an_engine_the_accelerators_are_those_of_this_host(tmp_path: Path) -> None:
    here = make_host("two-geforces", tmp_path / "here").host
    user = InvokingUser(
        env={"DOCKER_HOST": f"unix://{tmp_path}/nothing.sock"}, home=tmp_path, uid=os.getuid()
    )

    with Ramalama(Config(), host=here, user=user, run_dir=tmp_path / "run") as ramalama:
        found = ramalama.engine_accelerators()

    assert (found.host, found.unknown) == ("this host", "")
    assert found.detection.accelerator.kind is AcceleratorKind.CUDA
