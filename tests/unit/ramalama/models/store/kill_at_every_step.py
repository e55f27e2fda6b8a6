"""Kill a process at each step by which it changes the store, and look what is left.

``python -m tests.unit.ramalama.models.store.kill_at_every_step DIRECTORY DEED`` prints how many
steps there are; it fails where a kill left anything but the state before the deed or that after
it. The interpreter itself says where the steps are: each call that changes a disk is an event for
its audit hooks.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.models.formats.model_files import FileKind
from ramalama.models.store.caches.adopt import adopt
from ramalama.models.store.store import ModelStore
from tests.unit.ramalama.models.store.filled import OLLAMA, fetch, files_below, put, record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ramalama.models.store.records import ModelRecord

OLD, NEW, SHARED = b"old weights", b"new weights", b"a licence"
STEPS = {"open", "os.mkdir", "os.rename", "os.link", "os.symlink", "os.remove", "os.rmdir"}


def model_of(base: Path, weights: bytes) -> ModelRecord:
    system = put(base, b"of " + weights, "system", FileKind.SYSTEM)
    license_ = put(base, SHARED, "license", FileKind.LICENSE)
    return record(put(base, weights, "Q8/tiny.gguf"), system, license_)


@dataclass(frozen=True)
class Deed:
    """What is killed: *before* is there first, *do* is killed, one of *outcomes* may be left."""

    before: Callable[[Path], None]
    do: Callable[[Path], None]
    outcomes: Sequence[bytes | None]


def publish_old(base: Path) -> None:
    ModelStore(base).publish(model_of(base, OLD))


def publish_new(base: Path) -> None:
    ModelStore(base).publish(model_of(base, NEW))


def put_only(base: Path) -> None:
    ModelStore(base).contents.put(fetch(base, NEW))


def publish_both(base: Path) -> None:
    publish_old(base)
    publish_new(base)


def adopt_only(base: Path) -> None:
    (base / "theirs").write_bytes(NEW)
    adopt(ModelStore(base).contents, base / "theirs")
    (base / "theirs").unlink()


def remove(base: Path) -> None:
    ModelStore(base).remove(OLLAMA)


def collect(base: Path) -> None:
    ModelStore(base).collect_garbage()


DEEDS = {
    "publish": Deed(lambda _: None, publish_new, (None, NEW)),
    "replace": Deed(publish_old, publish_new, (OLD, NEW)),
    "repeat": Deed(publish_new, publish_new, (NEW,)),
    "remove": Deed(publish_new, remove, (NEW, None)),
    "collect": Deed(publish_both, collect, (NEW,)),
    "put": Deed(publish_old, put_only, (OLD,)),
    "adopt": Deed(publish_old, adopt_only, (OLD,)),
}


def killed_at(step: int, deed: Callable[[Path], None], base: Path) -> bool:
    """Do *deed* in a process that is killed at its step of this number; False if it got through."""
    child = os.fork()
    if child == 0:
        left = iter(range(step))

        def hook(event: str, _arguments: object) -> None:
            if event in STEPS and next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        try:
            deed(base)
        finally:
            os._exit(0)
    return bool(os.WIFSIGNALED(os.waitpid(child, 0)[1]))


def found(base: Path) -> bytes | None:
    """Return the weights of the model as a server would read them, and check all else of it."""
    store = ModelStore(base)
    model = store.find(OLLAMA)
    if model is None:
        return None
    opened = store.open(model)
    weights = opened.weights[0].read_bytes()
    assert opened.system == f"of {weights.decode()}", opened
    assert {file.name for file in model.files} == {"Q8/tiny.gguf", "system", "license"}, model
    assert all(store.contents.verify(file.digest) for file in model.files), model
    return weights


def check_upstreams_view(base: Path) -> None:
    """Upstream must find all blobs of each reference that it sees."""
    for ref in base.glob("store/**/refs/*"):
        names = [file["hash"].replace(":", "-") for file in json.loads(ref.read_text())["files"]]
        there = {path.name for path in (ref.parents[1] / "blobs").iterdir()}
        assert there.issuperset(names), (ref, names, there)


def check(base: Path, deed: Deed) -> None:
    check_upstreams_view(base)
    state = found(base)
    assert state in deed.outcomes, state
    assert all(model.complete for model in ModelStore(base).list())
    collect(base)
    assert found(base) == state
    check_upstreams_view(base)


def all_that_is_left(base: Path, deed: Deed) -> set[str]:
    """Do the deed to its end, take the garbage out, and name all files."""
    if deed.do is not remove or found(base) is not None:
        deed.do(base)
    shutil.rmtree(base / "cas/partial", ignore_errors=True)  # garbage only after a week
    collect(base)
    names = files_below(base)
    return {name for name in names if name != "cas/index.json" and "/locks/" not in name}


def main() -> None:
    base, deed = Path(sys.argv[1]), DEEDS[sys.argv[2]]
    base.mkdir()
    deed.before(base)
    expected = all_that_is_left(base, deed)
    for step in count():
        shutil.rmtree(base)
        base.mkdir()
        deed.before(base)
        if not killed_at(step, deed.do, base):
            print(step)  # noqa: T201 (it is a program)
            return
        check(base, deed)
        left = all_that_is_left(base, deed)
        assert left == expected, (step, left ^ expected)


if __name__ == "__main__":
    main()
