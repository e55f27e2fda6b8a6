"""Several processes at one store, and processes that are killed in the middle."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ramalama.models.store.store import ModelStore
from ramalama.system.locks import locked
from tests.unit.ramalama.models.store.filled import HUB, OLLAMA, digest_of, links_to, publish

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROOT = Path(__file__).parents[5]
KILLER = "tests.unit.ramalama.models.store.kill_at_every_step"
BEGIN = """\
import sys
import threading
from pathlib import Path
from ramalama.errors import ModelNotFound, StoreError
from ramalama.models.reference.reference import ModelRef
from ramalama.models.store.store import ModelStore
from tests.unit.ramalama.models.store.filled import OLLAMA, publish, put, record
base, number = Path(sys.argv[1]), int(sys.argv[2])
store = ModelStore(base)
sys.stdin.read()
"""
PUBLISH = """\
for _ in range(20):
    with store.using():
        publish(base, OLLAMA, b"w" * 8192)
        assert store.open(store.find(OLLAMA)).weights[0].read_bytes() == b"w" * 8192
"""
PUBLISH_OWN = """\
mine = ModelRef.parse(f"ollama://mine:{number}")
for turn in range(20):
    content = f"{number} {turn}".encode()
    with store.using():
        file = put(base, content)
        store.publish(record(file, reference=mine))
        assert store.open(store.find(mine)).weights[0].read_bytes() == content
"""
COLLECT = """\
for _ in range(40):
    store.collect_garbage()
"""
REMOVE = """\
for _ in range(40):
    try:
        store.remove(OLLAMA)
    except ModelNotFound:
        pass
"""
PUBLISH_AGAIN = """\
for _ in range(40):
    with store.using():
        try:
            publish(base, OLLAMA, b"w" * 8192)
        except StoreError as exc:  # it was removed between the download and the end of the pull
            assert "have been removed meanwhile" in str(exc), exc
"""
OPEN = """\
seen = 0
while seen < 20:
    model = store.find(OLLAMA)
    if model is None:
        continue
    try:
        content = store.open(model).weights[0].read_bytes()
    except (StoreError, FileNotFoundError) as exc:
        assert isinstance(exc, FileNotFoundError) or "has been removed meanwhile" in str(exc), exc
        continue
    assert content == b"w" * 8192, content
    seen += 1
"""


def run_together(base: Path, *programs: str) -> Sequence[str]:
    """Start all *programs* at the same moment, and return what they complain of."""
    gate, start = os.pipe()
    running = [
        subprocess.Popen(
            [sys.executable, "-c", BEGIN + program, base, str(number)],
            stdin=gate,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), *sys.path))},
        )
        for number, program in enumerate(programs)
    ]
    os.close(gate)
    os.close(start)
    complaints = [process.communicate()[1] for process in running]
    assert [process.returncode for process in running] == [0] * len(programs), complaints
    return complaints


def test_processes_that_publish_the_same_model_all_succeed(tmp_path: Path) -> None:
    run_together(tmp_path, *[PUBLISH] * 4)

    assert links_to(tmp_path, b"w" * 8192) == 4
    assert not list(tmp_path.glob("cas/partial/*"))
    assert not list(tmp_path.glob("tmp/*"))


def test_garbage_is_collected_around_those_who_publish(tmp_path: Path) -> None:
    run_together(tmp_path, PUBLISH_OWN, PUBLISH_OWN, PUBLISH_OWN, COLLECT, COLLECT)
    store = ModelStore(tmp_path)
    store.collect_garbage()

    contents = {store.contents.path(digest).read_bytes() for digest in store.contents.all()}

    assert contents == {b"0 19", b"1 19", b"2 19"}


def test_a_model_is_opened_whole_or_not_at_all_while_others_remove_and_publish_it(
    tmp_path: Path,
) -> None:
    publish(tmp_path, HUB, b"w" * 8192)
    forever = OPEN.replace("while seen < 20", "for _ in range(400)")

    run_together(tmp_path, PUBLISH_AGAIN, REMOVE, forever, forever)
    publish(tmp_path, OLLAMA, b"w" * 8192)
    run_together(tmp_path, OPEN)

    assert ModelStore(tmp_path).contents.verify(digest_of(b"w" * 8192))


@pytest.mark.parametrize(
    "deed", ["publish", "replace", "repeat", "remove", "collect", "put", "adopt"]
)
def test_a_kill_at_any_step_leaves_the_old_state_or_the_new_and_no_garbage_that_stays(
    tmp_path: Path, deed: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", KILLER, tmp_path / "base", deed],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 5


def is_waited_for(lock: Path) -> bool:
    """Return whether a process waits for *lock*; proc_locks(5)."""
    inode = f":{lock.stat().st_ino} "
    lines = Path("/proc/locks").read_text().splitlines()
    return any("->" in line and inode in line for line in lines)


@pytest.mark.parametrize("deed", ["open", "publish", "remove"])
def test_a_model_is_not_looked_at_while_records_are_changed(tmp_path: Path, deed: str) -> None:
    model = publish(tmp_path)
    store = ModelStore(tmp_path)
    lock = tmp_path / "cas/locks/records.lock"
    deeds: Mapping[str, Callable[[], object]] = {
        "open": lambda: store.open(model),
        "publish": lambda: store.publish(model),
        "remove": lambda: store.remove(OLLAMA),
    }
    thread = threading.Thread(target=deeds[deed])
    with locked(lock):
        thread.start()
        waited = False
        while thread.is_alive() and not waited:
            waited = is_waited_for(lock)
    thread.join()

    assert waited


def test_locks_are_given_back_by_the_dead(tmp_path: Path) -> None:
    program = BEGIN + "import os, signal\nwith store.using():\n os.kill(os.getpid(), 9)\n"
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path, "0"],
        check=False,
        stdin=subprocess.DEVNULL,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), *sys.path))},
    )

    assert done.returncode == -9
    assert publish(tmp_path) is not None
    assert ModelStore(tmp_path).collect_garbage().freed == 0
