"""The accelerators of an engine's host are found there, and kept here."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ramalama.serving.cleanup import remove_directories
from ramalama.serving.sides.accelerators import look_for_accelerators
from ramalama.serving.sides.facts import HostFacts
from ramalama.serving.sides.planned import planned_side
from ramalama.serving.sides.remote import RemoteSide
from ramalama.serving.sides.snapshot import Snapshot, remove_old_snapshots, unknown_host
from ramalama_accel import AcceleratorKind, Detection, DeviceUser, Host, detect
from ramalama_engines import BindMount, ContainerSpec, ContainerStartError, EngineUnavailable
from ramalama_engines.fake.engine import FakeProgram
from tests.unit.accel.made_up_hosts import NAMES, make
from tests.unit.ramalama.serving.sides.far_host import IMAGE, engine_on, list_files, make_engine

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama_engines.fake import FakeEngine

ROOT = DeviceUser(uid=0, gids=frozenset())
HERE = Host(env={}, user=ROOT)


def found_on(host: Host, run_dir: Path, *, rootless: bool = False) -> Detection:
    """Detect what an engine on *host* offers, from here."""
    engine = engine_on(host, rootless=rootless)
    snapshot = look_for_accelerators(engine, IMAGE, run_dir)
    assert snapshot is not None
    assert snapshot.failure == ""
    assert not engine.list({})
    far = snapshot.host(host.env)
    return detect(replace(far, oci_runtimes=host.oci_runtimes))


# No engine runs under macOS itself.
@pytest.mark.parametrize("name", [name for name in NAMES if name != "macos"])
def test_the_same_is_found_on_an_engines_host_as_by_a_user_of_it(name: str, tmp_path: Path) -> None:
    host = make(name, tmp_path / "far").host

    found, there = found_on(host, tmp_path / "run"), detect(replace(host, user=ROOT))

    assert str(found.invalid) == str(there.invalid)
    assert replace(found, invalid=None) == replace(there, invalid=None)


@pytest.mark.parametrize("name", ["two-radeons", "two-radeons-without-permission", "asahi-m2"])
def test_a_rootless_engine_offers_the_devices_that_its_user_may_open(
    name: str, tmp_path: Path
) -> None:
    host = make(name, tmp_path / "far").host

    found, there = found_on(host, tmp_path / "run", rootless=True), detect(host)

    assert found.accelerator.kind == there.accelerator.kind
    assert found.accelerator.device_paths == there.accelerator.device_paths
    assert [each.usable for each in found.findings] == [each.usable for each in there.findings]


def test_the_groups_of_a_device_are_those_of_the_engines_host(tmp_path: Path) -> None:
    assert found_on(make("two-radeons", tmp_path / "far").host, tmp_path / "run").accelerator.groups


def test_the_containers_can_do_nothing_but_read(tmp_path: Path) -> None:
    host = make("two-geforces", tmp_path / "far").host
    specs: list[ContainerSpec] = []

    def script(spec: ContainerSpec) -> FakeProgram:
        specs.append(spec)
        return FakeProgram(logs=tuple(list_files(host, spec)), exit_code=0)

    look_for_accelerators(make_engine(script, root=host.root), IMAGE, tmp_path / "run")

    assert len(specs) == 2
    for spec in specs:
        assert (spec.network, spec.cap_drop, spec.read_only, spec.user, spec.no_new_privileges) == (
            *("none", ("all",), True, "65534:65534", True),
        )
        assert all(isinstance(mount, BindMount) and mount.read_only for mount in spec.mounts)
    assert specs[1].mounts == (BindMount(source="/dev", target="/probe/dev"),)


def test_a_file_that_a_cdi_specification_lacks_is_missed_from_here_as_well(tmp_path: Path) -> None:
    host = make("wsl2", tmp_path / "far").host
    (host.root / "usr/lib/wsl/lib/libdxcore.so").unlink()

    found = found_on(host, tmp_path / "run")

    assert found.accelerator.kind is AcceleratorKind.CPU
    assert "libdxcore.so does not exist" in found.findings[0].message


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (FakeProgram(logs=("end of the world",), exit_code=0), "not understood"),
        (FakeProgram(logs=("machine x86_64",), exit_code=0), "cut off"),
        (FakeProgram(start_error=ContainerStartError("no sh", engine="podman")), "no sh"),
    ],
)
def test_a_host_that_cannot_be_looked_at_has_a_cpu(
    program: FakeProgram, reason: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = make_engine(lambda _spec: program, root=tmp_path)

    snapshot = look_for_accelerators(engine, IMAGE, tmp_path / "run")

    assert snapshot is not None
    assert reason in snapshot.failure
    assert reason in caplog.text
    assert detect(snapshot.host({})).accelerator.kind is AcceleratorKind.CPU
    assert not engine.list({})


def test_an_engine_that_is_lost_meanwhile_fails_the_start(tmp_path: Path) -> None:
    lost = FakeProgram(start_error=EngineUnavailable("gone", engine="podman"))

    with pytest.raises(EngineUnavailable):
        look_for_accelerators(make_engine(lambda _: lost, root=tmp_path), IMAGE, tmp_path / "run")

    assert not any((tmp_path / "run").glob("*"))


@pytest.fixture
def far(tmp_path: Path) -> FakeEngine:
    return engine_on(make("two-geforces", tmp_path / "far").host)


def known_side(engine: FakeEngine, run_dir: Path) -> RemoteSide:
    """Return the side of an engine whose host is known to see none of our files."""
    HostFacts(
        *(),
        engine=engine.info.id,
        cpus=4,
        memory=8 << 30,
        sees_files=False,
        has_sockets=False,
        uid=65534,
        gid=65534,
    ).write(run_dir, engine.url)
    return RemoteSide(engine, run_dir)


def test_before_the_first_start_nothing_is_known_and_this_hosts_gpus_do_not_count(
    far: FakeEngine, tmp_path: Path
) -> None:
    here = make("two-geforces", tmp_path / "here").host

    side = known_side(far, tmp_path / "run")

    assert detect(side.accelerated(here)).accelerator.kind is AcceleratorKind.CPU


def test_a_start_looks_once_and_later_processes_know_it(far: FakeEngine, tmp_path: Path) -> None:
    fetched: list[str] = []

    def fetch() -> str:
        fetched.append(IMAGE)
        return IMAGE

    for _ in range(2):
        side = known_side(far, tmp_path / "run")
        side.settle(fetch)
        assert detect(side.accelerated(HERE)).accelerator.kind is AcceleratorKind.CUDA

    assert fetched == [IMAGE]


def test_a_dry_run_that_asks_no_engine_knows_what_a_start_has_found(
    far: FakeEngine, tmp_path: Path
) -> None:
    here = make("ryzen-780m", tmp_path / "here").host
    side = known_side(far, tmp_path / "run")
    planned = planned_side(tmp_path / "run", far.url)
    assert detect(planned.accelerated(here)).accelerator.kind is AcceleratorKind.CPU

    side.settle(lambda: IMAGE)

    assert detect(planned.accelerated(here)).accelerator.kind is AcceleratorKind.CUDA


def test_what_the_user_hides_here_is_hidden_there(far: FakeEngine, tmp_path: Path) -> None:
    side = known_side(far, tmp_path / "run")
    side.settle(lambda: IMAGE)

    found = detect(side.accelerated(replace(HERE, env={"CUDA_VISIBLE_DEVICES": "1"})))

    assert found.accelerator.cdi_devices == ("nvidia.com/gpu=1",)


def test_another_engine_at_the_same_address_is_looked_at_anew(
    far: FakeEngine, tmp_path: Path
) -> None:
    look_for_accelerators(far, IMAGE, tmp_path)

    assert Snapshot.read(tmp_path, far.url, engine=far.info.id) is not None
    assert Snapshot.read(tmp_path, far.url, engine="another") is None


def test_what_is_old_or_forgotten_does_not_count_and_is_removed(
    far: FakeEngine, tmp_path: Path
) -> None:
    known_side(far, tmp_path)
    snapshot = look_for_accelerators(far, IMAGE, tmp_path)
    assert snapshot is not None
    remove_old_snapshots(tmp_path)
    assert snapshot.directory.exists()

    yesterday = time.time() - 25 * 3600
    os.utime(snapshot.directory / "about.json", (yesterday, yesterday))

    assert Snapshot.read(tmp_path, far.url, engine=far.info.id) is None
    remove_old_snapshots(tmp_path)
    assert not snapshot.directory.exists()


def test_what_a_killed_process_has_begun_does_not_count_and_is_removed(
    far: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def end(*_: object) -> None:
        raise Killed

    def keep(_path: Path, *, seconds: float) -> None:
        pass

    monkeypatch.setattr("ramalama.serving.sides.snapshot.remove_tree", keep)
    monkeypatch.setattr("ramalama.serving.sides.snapshot._format_devices", end)
    with pytest.raises(Killed):
        look_for_accelerators(far, IMAGE, tmp_path / "run")

    (begun,) = (tmp_path / "run").iterdir()
    assert Snapshot.read(tmp_path / "run", far.url, engine=far.info.id) is None

    name = begun.name.replace(f"-{os.getpid()}-", "-4194305-")
    begun.rename(begun.with_name(name))
    remove_directories(tmp_path / "run")
    assert not any((tmp_path / "run").iterdir())


def test_a_new_look_replaces_the_old_one(far: FakeEngine, tmp_path: Path) -> None:
    look_for_accelerators(far, IMAGE, tmp_path / "run")
    snapshot = look_for_accelerators(far, IMAGE, tmp_path / "run")

    assert snapshot is not None
    assert [path.name for path in (tmp_path / "run").iterdir()] == [snapshot.directory.name]


def test_the_snapshot_belongs_to_its_user_alone(far: FakeEngine, tmp_path: Path) -> None:
    snapshot = look_for_accelerators(far, IMAGE, tmp_path / "run")

    assert snapshot is not None
    assert snapshot.directory.stat().st_mode & 0o777 == 0o700


def test_an_unknown_host_has_nothing(tmp_path: Path) -> None:
    found = detect(unknown_host(tmp_path, "tcp://far.example:1"))

    assert found.accelerator.kind is AcceleratorKind.CPU
