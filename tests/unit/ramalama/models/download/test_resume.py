"""Downloads that are interrupted, by whatever, and go on where they were."""

from __future__ import annotations

import json
import os
import resource
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import StoreError
from ramalama.events import DownloadProgress, DownloadRetrying
from ramalama.models.download.downloader import Downloader
from ramalama.models.download.journal import Journal, total
from ramalama.models.download.values import Location
from tests.doubles.faults import announce, faulty, ignore_ranges, slow, stall, without_length
from tests.doubles.server import FileServer, Reply, serve_bytes
from tests.unit.ramalama.models.download.kit import (
    KIB,
    SMALL,
    WITHOUT_THEFT,
    Kit,
    digest_of,
    made_up_bytes,
)
from tests.unit.ramalama.models.download.storm import BOUND

if TYPE_CHECKING:
    from ramalama.events import Event
    from ramalama.models.download.values import RemoteBlob

BIG = made_up_bytes(1024 * KIB + 7)
SLOWLY = slow(1000 * KIB)


class Enough(Exception):
    """What a hook raises to end a download."""


def stop_at(done: int) -> Callable[[Event], None]:
    """Make a hook that ends a download when so many bytes have come."""

    def watch(event: Event) -> None:
        if isinstance(event, DownloadProgress) and event.done >= done:
            raise Enough

    return watch


def downloader(kit: Kit, hook: Callable[[Event], None]) -> Downloader:
    return Downloader(kit.directory, on_event=hook, limits=SMALL)


def interrupt(kit: Kit, blob: RemoteBlob) -> Journal:
    """Fetch about a third of it, and return what was written down."""
    with pytest.raises(Enough):
        downloader(kit, stop_at(300 * KIB)).fetch(blob, kit.blob_store)
    (journal,) = [file for file in kit.partial_files if file.suffix == ".json"]
    return Journal.parse(journal.read_bytes())


def fetch_the_rest(kit: Kit, blob: RemoteBlob) -> int:
    """Fetch it from another path, and return how many bytes the requests there were for."""
    kit.server.routes["/rest"] = serve_bytes(BIG)
    moved = replace(blob, locate=lambda: Location(url=f"{kit.server.url}/rest"))
    assert kit.fetch(moved, limits=WITHOUT_THEFT).digest == digest_of(BIG)
    asked = 0
    for request in kit.server.asked("/rest"):
        first, _, last = request.headers["range"].removeprefix("bytes=").partition("-")
        asked += int(last) + 1 - int(first)
    return asked


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "not announced"])
def test_what_came_before_an_interruption_does_not_come_again(
    kit: Kit, server: FileServer, *, announced: bool
) -> None:
    server.routes["/blob"] = faulty(serve_bytes(BIG), SLOWLY)
    blob = kit.blob(BIG if announced else None)
    journal = interrupt(kit, blob)

    assert fetch_the_rest(kit, blob) == len(BIG) - total(journal.spans), kit.retries
    assert total(journal.spans) >= 300 * KIB
    assert kit.progress[0] >= total(journal.spans)


def test_an_interruption_leaves_nothing_that_was_not_written_down(
    kit: Kit, server: FileServer
) -> None:
    server.routes["/blob"] = faulty(serve_bytes(BIG), SLOWLY)
    journal = interrupt(kit, kit.blob(BIG))
    (data,) = [file for file in kit.partial_files if file.suffix == ".data"]
    came = data.read_bytes()

    assert len(came) == journal.spans[-1].end
    missing = bytearray(came)
    for start, end in journal.spans:
        assert came[start:end] == BIG[start:end]
        missing[start:end] = bytes(end - start)
    assert not any(missing)


def test_streams_do_not_run_ahead_of_what_is_written_down(kit: Kit, server: FileServer) -> None:
    server.routes["/blob"] = serve_bytes(BIG)
    never_saved = replace(SMALL, save_after=2**40, save_every=2.0**20)

    def watch(event: Event) -> None:
        if isinstance(event, DownloadProgress) and event.done >= SMALL.unsaved:
            time.sleep(0.3)
            raise Enough

    with pytest.raises(Enough):
        Downloader(kit.directory, on_event=watch, limits=never_saved).fetch(
            kit.blob(BIG), kit.blob_store
        )
    (journal,) = [file for file in kit.partial_files if file.suffix == ".json"]

    assert total(Journal.parse(journal.read_bytes()).spans) <= BOUND


def test_an_interruption_ends_all_threads_even_of_a_silent_server(
    kit: Kit, server: FileServer
) -> None:
    server.routes["/blob"] = faulty(serve_bytes(BIG), stall(60 * KIB))
    with pytest.raises(Enough):
        downloader(kit, stop_at(4 * 60 * KIB)).fetch(kit.blob(BIG), kit.blob_store)

    assert not any(thread.name.startswith("ramalama") for thread in threading.enumerate())


def test_an_interruption_ends_a_pause_too(kit: Kit, server: FileServer) -> None:
    server.routes["/blob"] = lambda _: Reply(status=503, headers={"retry-after": "30"})

    def watch(event: Event) -> None:
        if isinstance(event, DownloadRetrying):
            raise Enough

    with pytest.raises(Enough):
        downloader(kit, watch).fetch(kit.blob(BIG), kit.blob_store)

    assert not any(thread.name.startswith("ramalama") for thread in threading.enumerate())


def test_a_partial_file_of_another_size_is_thrown_away(kit: Kit, server: FileServer) -> None:
    server.routes["/blob"] = faulty(serve_bytes(BIG), SLOWLY)
    interrupt(kit, kit.blob())
    shorter = BIG[: 400 * KIB]
    server.routes["/blob"] = serve_bytes(shorter)

    assert kit.fetch(kit.blob(size=len(shorter))).digest == digest_of(shorter)
    assert kit.retries == []


def test_a_partial_file_of_another_version_is_thrown_away(kit: Kit, server: FileServer) -> None:
    server.routes["/blob"] = faulty(serve_bytes(BIG, etag='"1"'), SLOWLY)
    interrupt(kit, kit.blob())
    other = made_up_bytes(len(BIG), seed=1)
    server.routes["/blob"] = serve_bytes(other, etag='"2"')

    assert kit.fetch(kit.blob()).digest == digest_of(other)
    assert kit.retries == ["it has changed"]


def test_nothing_is_kept_of_what_could_not_be_continued(kit: Kit, server: FileServer) -> None:
    route = faulty(serve_bytes(BIG), ignore_ranges, without_length, SLOWLY)
    server.routes["/blob"] = route

    with pytest.raises(Enough):
        downloader(kit, stop_at(300 * KIB)).fetch(kit.blob(), kit.blob_store)

    assert kit.partial_files == []


Spoil = Callable[[Path], object]


def emptied(journal: Path) -> None:
    journal.write_bytes(b"")


def zeroed(journal: Path) -> None:
    journal.write_bytes(b"\0" * 4096)


def endless(journal: Path) -> None:
    journal.write_bytes(journal.read_bytes() + b" " * 2**21)


def without_data(journal: Path) -> None:
    journal.with_suffix(".data").unlink()


def with_less_data(journal: Path) -> None:
    os.truncate(journal.with_suffix(".data"), 1000)


def with_other_data(journal: Path) -> None:
    data = journal.with_suffix(".data")
    content = bytearray(data.read_bytes())
    content[1000] ^= 1
    data.write_bytes(content)


def with_fields(**fields: object) -> Spoil:
    def edit(journal: Path) -> None:
        journal.write_text(json.dumps({**json.loads(journal.read_bytes()), **fields}))

    return edit


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(emptied, id="empty"),
        pytest.param(zeroed, id="zeros"),
        pytest.param(endless, id="endless"),
        pytest.param(Path.unlink, id="gone"),
        pytest.param(without_data, id="without its data"),
        pytest.param(with_less_data, id="with less data"),
        pytest.param(with_other_data, id="with other data"),
        pytest.param(with_fields(identity="sha256:00"), id="of another blob"),
        pytest.param(with_fields(size=10**18), id="of an absurd size"),
        pytest.param(with_fields(spans=[[0, 10**15]]), id="of an absurd span"),
        pytest.param(with_fields(spans=[[0, len(BIG)]]), id="of all that there is"),
    ],
)
def test_a_journal_that_lies_costs_time_and_nothing_else(
    kit: Kit, server: FileServer, spoil: Spoil
) -> None:
    server.routes["/blob"] = faulty(serve_bytes(BIG), SLOWLY)
    interrupt(kit, kit.blob(BIG))
    (journal,) = [file for file in kit.partial_files if file.suffix == ".json"]
    spoil(journal)
    server.routes["/blob"] = serve_bytes(BIG)

    assert kit.fetch(kit.blob(BIG)).digest == digest_of(BIG)


@pytest.mark.parametrize("fields", [{"identity": "http://elsewhere/blob"}, {"validator": None}])
def test_bytes_that_may_be_of_something_else_are_not_taken_for_a_beginning(
    kit: Kit, server: FileServer, fields: dict[str, object]
) -> None:
    server.routes["/blob"] = faulty(serve_bytes(BIG), SLOWLY)
    interrupt(kit, kit.blob())
    (journal,) = [file for file in kit.partial_files if file.suffix == ".json"]
    with_other_data(journal)
    with_fields(**fields)(journal)

    assert kit.fetch(kit.blob()).digest == digest_of(BIG)
    assert kit.retries == []


def test_bytes_beyond_the_end_are_not_published(kit: Kit, server: FileServer) -> None:
    server.routes["/blob"] = faulty(serve_bytes(BIG), SLOWLY)
    interrupt(kit, kit.blob(BIG))
    (journal,) = [file for file in kit.partial_files if file.suffix == ".json"]
    with_fields(spans=[[0, len(BIG)]])(journal)
    journal.with_suffix(".data").write_bytes(BIG + b"more")

    assert kit.fetch(kit.blob(BIG)).size == len(BIG)
    assert kit.retries == []


def test_a_file_that_was_published_but_not_put_away_is_not_written_to(
    kit: Kit, server: FileServer
) -> None:
    server.routes["/blob"] = faulty(serve_bytes(BIG), SLOWLY)
    interrupt(kit, kit.blob())
    (data,) = [file for file in kit.partial_files if file.suffix == ".data"]
    published = kit.directory / "published"
    published.hardlink_to(data)
    before = published.read_bytes()

    kit.fetch(kit.blob())

    assert published.read_bytes() == before


def test_a_symbolic_link_in_the_place_of_a_partial_file_is_not_followed(
    kit: Kit, server: FileServer, tmp_path: Path
) -> None:
    server.routes["/blob"] = serve_bytes(BIG)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    place = kit.directory / "partial" / f"{digest_of(BIG).file_name}.data"
    place.parent.mkdir(parents=True)
    place.symlink_to(victim)

    with pytest.raises(StoreError, match="cannot be used"):
        kit.fetch(kit.blob(BIG))

    assert victim.read_text() == "precious"


def test_a_file_that_will_not_fit_is_not_begun(kit: Kit, server: FileServer) -> None:
    huge = 10**15
    server.routes["/blob"] = serve_bytes(BIG)

    with pytest.raises(StoreError, match=r"1000 TB do not fit into .*/partial: .* missing"):
        kit.downloader().fetch_all([kit.blob(size=huge)], kit.blob_store)

    assert server.requests == []


def test_a_file_that_turns_out_not_to_fit_is_not_begun(kit: Kit, server: FileServer) -> None:
    server.routes["/blob"] = faulty(serve_bytes(BIG), ignore_ranges, announce(10**15))

    with pytest.raises(StoreError, match=r"1000 TB do not fit into .*/partial: .* missing"):
        kit.fetch(kit.blob())

    assert kit.partial_files == []


def test_a_disk_that_is_full_in_the_middle_keeps_what_came(kit: Kit, server: FileServer) -> None:
    server.routes["/blob"] = faulty(serve_bytes(BIG), SLOWLY)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill_the_disk(event: Event) -> None:
        if isinstance(event, DownloadProgress) and event.done >= 100 * KIB:
            resource.setrlimit(resource.RLIMIT_FSIZE, (500 * KIB, hard))

    try:
        with pytest.raises(
            StoreError, match=r"no space left in .*/partial for blob; the downloaded part is kept"
        ):
            downloader(kit, fill_the_disk).fetch(kit.blob(BIG), kit.blob_store)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert fetch_the_rest(kit, kit.blob(BIG)) <= len(BIG) - 100 * KIB
