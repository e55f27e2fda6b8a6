"""Detection as a whole: what the user's variables do to it, and what it never does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import ramalama_accel
from ramalama_accel import AcceleratorKind, Detection, Host, InvalidVisibleDevices, detect
from tests.unit.accel.made_up_hosts import NAMES, ORIGINALS, make, read

ROOT = Path(__file__).parents[3]

# Raised from inside the interpreter, so that no library call can get around it. What follows the
# options is done instead of the detection, to see the guard at work.
_GUARDED = """
import os, subprocess, sys
from pathlib import Path
from ramalama_accel import detect
from tests.unit.accel.made_up_hosts import NAMES, make
FORBIDDEN = ("subprocess.", "os.posix_spawn", "os.fork", "os.exec", "os.spawn", "os.system",
             "socket.", "ctypes.", "os.putenv", "os.kill", "os.remove", "os.rename", "os.mkdir",
             "os.link", "os.symlink", "os.chmod", "os.chown", "pty.")
on_guard = False
def refuse(event, args):
    if on_guard and (event.startswith(FORBIDDEN) or (
        event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
    )):
        print(f"refused: {event}", flush=True)
        os._exit(1)
sys.addaudithook(refuse)
root, *accident = sys.argv[1:]
for name in NAMES:
    host = make(name, Path(root, name)).host
    on_guard = True
    if accident:
        exec(accident[0])
    print(name, detect(host).accelerator.kind)
    on_guard = False
"""


def run_guarded(root: Path, *accident: str) -> subprocess.CompletedProcess[str]:
    """Detect on all made-up hosts in a process of its own that may do nothing but read."""
    search = os.pathsep.join([str(ROOT), *(str(ROOT / leaf) for leaf in ("accel", "values"))])
    return subprocess.run(
        [sys.executable, "-B", "-c", _GUARDED, str(root), *accident],
        env={"PYTHONPATH": search},
        capture_output=True,
        text=True,
        check=False,
    )


def test_on_no_host_does_detection_start_a_process_or_write_anything(tmp_path: Path) -> None:
    result = run_guarded(tmp_path)

    assert (result.returncode, result.stderr) == (0, "")
    kinds = dict(line.split() for line in result.stdout.splitlines())
    assert kinds == {name: read(name)["expect"]["kind"] for name in NAMES}


@pytest.mark.parametrize(
    ("accident", "event"),
    [
        ("subprocess.run(['true'])", "subprocess.Popen"),
        ("os.system('true')", "os.system"),
        ("os.fork()", "os.fork"),
        ("os.posix_spawn('/bin/true', ['true'], {})", "os.posix_spawn"),
        ("os.execv('/bin/true', ['true'])", "os.exec"),
        ("open(os.devnull, 'w')", "open"),
        ("import socket; socket.socket()", "socket.__new__"),
        ("import ctypes; ctypes.CDLL(None)", "ctypes.dlopen"),
    ],
)
def test_the_guard_notices(tmp_path: Path, accident: str, event: str) -> None:
    result = run_guarded(tmp_path, accident)

    assert (result.returncode, result.stdout) == (1, f"refused: {event}\n")


def test_the_real_host_is_detected_without_an_error() -> None:
    assert detect(Host()).accelerator.kind in set(AcceleratorKind)


def test_a_list_that_makes_no_sense_is_found_before_any_card_is_looked_for(tmp_path: Path) -> None:
    detection = detect(Host(root=tmp_path, env={"CUDA_VISIBLE_DEVICES": "banana"}))

    assert detection.accelerator.kind is AcceleratorKind.CPU
    assert [finding.usable for finding in detection.findings] == [False]
    with pytest.raises(InvalidVisibleDevices, match="'banana' is neither"):
        detection.require()


@pytest.mark.parametrize("variable", list(ramalama_accel.VARIABLES.values()))
def test_a_family_that_is_asked_for_in_vain_is_an_error(tmp_path: Path, variable: str) -> None:
    detection = detect(Host(root=tmp_path, env={variable: "0"}))

    with pytest.raises(InvalidVisibleDevices) as caught:
        detection.require()

    assert str(caught.value).startswith(f"{variable}='0' cannot be met: no ")


def test_asking_in_vain_says_why_the_card_cannot_be_used(tmp_path: Path) -> None:
    host = make("laptop-nvidia-intel-without-cdi", tmp_path).host

    detection = detect(Host(root=host.root, nodes=host.nodes, env={"CUDA_VISIBLE_DEVICES": "0"}))

    with pytest.raises(InvalidVisibleDevices, match=r"cannot be met: .*no CDI specification"):
        detection.require()


def test_a_nonsensical_override_of_the_gfx_version_is_said_and_passed_over(tmp_path: Path) -> None:
    host = make("two-radeons", tmp_path).host
    env = {"HSA_OVERRIDE_GFX_VERSION": "banana"}

    detection = detect(Host(root=host.root, nodes=host.nodes, user=host.user, env=env))

    assert detection.accelerator.kind is AcceleratorKind.VULKAN
    assert "HSA_OVERRIDE_GFX_VERSION='banana' is not a version" in detection.findings[0].message


_HOSTILE = [
    b"",
    b"\0" * 70_000,
    b"\xff\xfe\xfd" * 1000,
    b"-1\n",
    b"9" * 5000,
    b"gfx_target_version 99999999999999999999\nlocation_id 18446744073709551615\ndomain 9999999\n",
    b"../../../../etc/passwd\n",
    b"Device Minor: 0/../../sda\nModel: \x1b[2J\nGPU UUID: \x1b[2J\n",
    b"Version=\x1b]0;x\x07\x9b2J\n",
    b"apple,arm-platform\0nvidia,tegra\x1b[2J\0apple,t\x1b[2J\0",
    b"kind: &a [*a, *a]\n",
    b"[" * 60_000,
]


@pytest.mark.parametrize("content", _HOSTILE, ids=range(len(_HOSTILE)))
@pytest.mark.parametrize("name", ORIGINALS)
def test_no_content_of_any_file_makes_detection_fail(
    tmp_path: Path, name: str, content: bytes
) -> None:
    host = make(name, tmp_path).host
    for path in sorted(tmp_path.rglob("*")):
        if path.is_file() and not path.is_symlink():
            path.write_bytes(content)

    detection = detect(host)

    assert detection.accelerator.kind in set(AcceleratorKind)
    assert all(words.isprintable() for words in _all_words(detection))


@pytest.mark.parametrize("name", ORIGINALS)
def test_no_directory_in_a_file_s_place_makes_detection_fail(tmp_path: Path, name: str) -> None:
    host = make(name, tmp_path).host
    for path in sorted(tmp_path.rglob("*")):
        if path.is_file() and not path.is_symlink():
            path.unlink()
            path.mkdir()

    assert detect(host).accelerator.kind in set(AcceleratorKind)


def _all_words(detection: Detection) -> list[str]:
    words = [text for item in detection.findings for text in (item.message, item.remedy)]
    words += [gpu.name or "" for gpu in detection.accelerator.gpus]
    return [*words, detection.accelerator.reason, detection.accelerator.driver_version or ""]


def test_the_door_lists_what_it_exports_sorted() -> None:
    names = ramalama_accel.__all__

    assert names == sorted(names, key=lambda name: (not name.isupper(), name[0].islower(), name))
    assert all(hasattr(ramalama_accel, name) for name in names)
