"""Garbage: what no model needs goes, all else stays."""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import StoreError
from ramalama.models.store.caches.adopt import adopt
from ramalama.models.store.store import ModelStore
from tests.unit.ramalama.models.store.filled import (
    HUB,
    OLLAMA,
    digest_of,
    fetch,
    files_below,
    links_to,
    publish,
    put,
    write_upstream,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama.models.store.gc import GarbageReport

WEIGHTS = b"w" * 8192
DAY = 24 * 3600.0


def collect(base: Path) -> GarbageReport:
    return ModelStore(base).collect_garbage()


def apart_from_locks(base: Path) -> set[str]:
    return {path for path in files_below(base) if not path.startswith("cas/locks/")}


def leave_partial(base: Path, content: bytes, *, days: float) -> tuple[Path, Path]:
    """Leave the first half of a download behind, as many days ago."""
    key = digest_of(content).file_name
    data, journal = (base / "cas/partial" / f"{key}.{suffix}" for suffix in ("data", "json"))
    data.parent.mkdir(parents=True, exist_ok=True)
    half = len(content) // 2
    data.write_bytes(content[:half].ljust(len(content), b"\0"))
    fields = {"version": 1, "identity": str(digest_of(content)), "size": len(content)}
    journal.write_text(json.dumps({**fields, "validator": None, "spans": [[0, half]]}))
    for path in (data, journal):
        then = time.time() - days * DAY
        os.utime(path, (then, then))
    return data, journal


def test_a_store_that_is_not_there_has_no_garbage(tmp_path: Path) -> None:
    assert collect(tmp_path / "base").freed == 0


def test_models_stay_with_all_that_they_have(tmp_path: Path) -> None:
    publish(tmp_path, OLLAMA, WEIGHTS)
    publish(tmp_path, replace(OLLAMA, tag="8b"), WEIGHTS)
    publish(tmp_path, HUB, b"weights")
    before = apart_from_locks(tmp_path)

    report = collect(tmp_path)

    assert report.freed == 0
    assert (report.contents, report.partials, report.leftovers) == ((), (), ())
    assert apart_from_locks(tmp_path) == before


def test_contents_that_no_model_has_are_removed(tmp_path: Path) -> None:
    kept = publish(tmp_path, OLLAMA, b"weights").files[0].digest
    garbage = put(tmp_path, WEIGHTS).digest
    store = ModelStore(tmp_path)

    would = store.collect_garbage(dry_run=True)

    assert would.freed == 8192
    assert would.contents == (store.contents.path(garbage),)
    assert store.contents.find(garbage) is not None
    assert store.collect_garbage() == would
    assert list(store.contents.all()) == [kept]


def test_what_an_older_version_of_a_model_had_is_removed_from_everywhere(tmp_path: Path) -> None:
    publish(tmp_path, OLLAMA, WEIGHTS, name="Q8/tiny.gguf")
    publish(tmp_path, OLLAMA, b"new", name="tiny.gguf")

    assert links_to(tmp_path, WEIGHTS) == 4

    report = collect(tmp_path)

    assert report.freed == 8192
    assert len(report.leftovers) == 3
    assert links_to(tmp_path, b"new") == 4
    assert len(apart_from_locks(tmp_path)) == 4 + 2
    assert len(list(tmp_path.glob("snapshots/*"))) == 1
    assert len(list(tmp_path.glob("store/ollama/library/smollm2/snapshots/*"))) == 1


def test_what_upstream_still_has_stays(tmp_path: Path) -> None:
    write_upstream(tmp_path, "ollama/library/smollm2", "135m", {"smollm2": ("gguf", WEIGHTS)})
    store = ModelStore(tmp_path)
    model = store.find(OLLAMA)
    assert model is not None
    served = store.open(model).weights[0]

    assert collect(tmp_path).leftovers == ()
    assert served.read_bytes() == WEIGHTS
    assert store.find(OLLAMA) == model


def test_what_upstream_has_removed_goes_once_we_have_no_record_of_it(tmp_path: Path) -> None:
    directory = write_upstream(
        tmp_path, "ollama/library/smollm2", "135m", {"smollm2": ("gguf", WEIGHTS)}
    )
    store = ModelStore(tmp_path)
    model = store.find(OLLAMA)
    assert model is not None
    store.open(model)
    for path in [path for path in directory.rglob("*") if path.is_file()]:
        path.unlink()

    assert collect(tmp_path).freed == 8192
    assert not (tmp_path / "cas/sha256" / digest_of(WEIGHTS).hex[:2]).is_file()
    assert apart_from_locks(tmp_path) == {"cas/index.json"}
    assert json.loads((tmp_path / "cas/index.json").read_text())["files"] == []


def test_what_upstream_alone_has_left_is_not_ours_to_remove(tmp_path: Path) -> None:
    directory = tmp_path / "store/ollama/library/smollm2"
    for path in ("blobs/sha256-0", "blobs/sha256-1.partial", "snapshots/sha256-0/x", "refs/latest"):
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(b"x")
    (tmp_path / "store/ollama/library/empty/refs").mkdir(parents=True)
    before = files_below(tmp_path / "store")

    collect(tmp_path)

    assert files_below(tmp_path / "store") == before
    assert (tmp_path / "store/ollama/library/empty/refs").is_dir()


def test_what_another_program_has_too_stays_until_that_one_lets_go(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.gguf"
    theirs.write_bytes(WEIGHTS)
    store = ModelStore(tmp_path / "base")
    adopt(store.contents, theirs)

    assert store.collect_garbage().freed == 0
    assert store.contents.find(digest_of(WEIGHTS)) is not None

    theirs.unlink()

    assert store.collect_garbage().freed == 8192


@pytest.mark.parametrize(("days", "removed"), [(6.9, False), (7.1, True)])
def test_a_download_that_was_given_up_goes_after_a_week(
    tmp_path: Path, days: float, *, removed: bool
) -> None:
    paths = leave_partial(tmp_path, WEIGHTS, days=days)

    report = collect(tmp_path)

    assert (set(report.partials) == set(paths)) is removed
    assert {path.exists() for path in paths} == {not removed}


def test_a_download_that_a_process_continues_is_kept_whatever_its_age(tmp_path: Path) -> None:
    paths = leave_partial(tmp_path, WEIGHTS, days=30)
    lock = tmp_path / "cas/locks" / f"{digest_of(WEIGHTS).file_name}.lock"
    lock.parent.mkdir()
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        collect(tmp_path)

        assert all(path.exists() for path in paths)

    collect(tmp_path)

    assert not any(path.exists() for path in paths)


def test_what_is_complete_of_a_pull_that_was_interrupted_stays_as_long_as_the_rest(
    tmp_path: Path,
) -> None:
    store = ModelStore(tmp_path)
    digest = put(tmp_path, WEIGHTS).digest
    note = tmp_path / "pulls/ollama/note.json"
    note.parent.mkdir(parents=True)
    fields = {"scheme": "ollama", "location": "library/smollm2", "tag": "135m"}
    note.write_text(json.dumps({"version": 1, "reference": fields, "blobs": [str(digest)]}))

    assert store.collect_garbage().freed == 0

    os.utime(note, (1, 1))

    assert store.collect_garbage().freed >= 8192
    assert not note.exists()


def test_what_a_kill_has_left_half_made_is_removed(tmp_path: Path) -> None:
    publish(tmp_path, OLLAMA, WEIGHTS)
    content = ModelStore(tmp_path).contents.path(digest_of(WEIGHTS))
    (tmp_path / "tmp/123-abc/Q8").mkdir(parents=True)
    (tmp_path / "tmp/123-abc/Q8/tiny.gguf").hardlink_to(content)
    (tmp_path / "tmp/123-def").write_bytes(b"x" * 4096)
    other = tmp_path / "store/ollama/library/other"
    for path in (other / "blobs/sha256-x", other / "snapshots/sha256-x/Q8/tiny.gguf"):
        path.parent.mkdir(parents=True)
        path.hardlink_to(content)
    (other / "refs").mkdir()

    report = collect(tmp_path)

    assert report.freed == 4096
    assert not (tmp_path / "tmp").exists()
    assert not other.exists()
    assert links_to(tmp_path, WEIGHTS) == 4


def test_nothing_is_removed_as_long_as_a_record_cannot_be_read(tmp_path: Path) -> None:
    publish(tmp_path, OLLAMA, WEIGHTS)
    garbage = put(tmp_path, b"garbage").digest
    (note,) = (tmp_path / "refs2").rglob("*.json")
    note.write_text('{"version": 2}')

    with pytest.raises(StoreError, match=r"remove that file if no other version"):
        collect(tmp_path)

    assert ModelStore(tmp_path).contents.find(garbage) is not None
    assert links_to(tmp_path, WEIGHTS) == 4


def test_garbage_collection_waits_for_users_of_the_store_and_says_so(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    waiting = threading.Event()
    report: list[GarbageReport] = []

    def wait() -> None:
        report.append(store.collect_garbage(on_wait=waiting.set))

    with store.using():
        digest = fetched = store.contents.put(fetch(tmp_path, WEIGHTS))
        collector = threading.Thread(target=wait)
        collector.start()
        waiting.wait()

        assert report == []
        assert fetched.exists()
    collector.join()

    assert report[0].contents == (digest,)
    assert not fetched.exists()
