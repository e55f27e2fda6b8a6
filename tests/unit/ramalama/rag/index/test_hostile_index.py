"""An index of a stranger: it is refused, or searched without harm."""

from __future__ import annotations

import os
import random
import sqlite3
import struct
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import IndexInvalid, RagError
from ramalama.rag.index.archive import Archive
from ramalama.rag.index.index import Index
from ramalama.rag.index.schema import APPLICATION_ID
from tests.unit.ramalama.rag.index.made_index import write
from tests.unit.ramalama.rag.word_embedder import WordEmbedder

if TYPE_CHECKING:
    from pathlib import Path

VECTOR = WordEmbedder().embed_question("cats hunt mice")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "docs.db", embedder=WordEmbedder())


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        for statement in statements:
            connection.execute(statement)


def share_text(path: Path) -> None:
    """Give the only chunk of an index, whose text is long, seven more chunks with the same pages.

    Its cell is copied in the leaf of its table: https://www.sqlite.org/fileformat.html, 1.6.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE document SET chunks = 8")
        connection.execute("UPDATE meta SET value = '8' WHERE name = 'chunks'")
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'chunk'"
        ).fetchone()
    content = bytearray(path.read_bytes())
    leaf = memoryview(content)[(page - 1) * size : page * size]
    (count, begin) = struct.unpack_from(">HH", leaf, 3)
    cell = bytes(leaf[begin:])
    assert (leaf[0], count, cell[3]) == (13, 1, 1)  # after a size of three bytes comes the ID
    cells = [cell[:3] + bytes([number]) + cell[4:] for number in range(1, 9)]
    starts = [size - len(cell) * number for number in range(1, 9)]
    for start, each in zip(starts, cells, strict=True):
        leaf[start : start + len(each)] = each
    struct.pack_into(">HHB8H", leaf, 3, 8, starts[-1], 0, *starts)
    path.write_bytes(content)


def use(path: Path) -> None:
    """Do all that is done with an index."""
    with Index.open(path) as index:
        assert index.info.documents >= 0
        index.search("cats hunt mice", VECTOR)
        index.search("anchor tar archive ocean")
    with Archive(path) as archive:
        archive.probes()
        for document in archive.documents():
            archive.chunks(document.uri)


def complaint(path: Path) -> str:
    with pytest.raises(IndexInvalid) as caught:
        use(path)
    return str(caught.value)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON meta BEGIN DELETE FROM chunk; END",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TABLE more(x)",
        "CREATE INDEX i ON chunk(text)",
        "CREATE VIRTUAL TABLE w USING fts5(x)",
        "ALTER TABLE chunk ADD COLUMN x GENERATED ALWAYS AS (abs(-1))",
        "DROP TABLE probe",
        "UPDATE sqlite_schema SET type = 'view', sql = 'CREATE VIEW v AS SELECT 1' WHERE rowid > 9",
        "UPDATE sqlite_schema SET sql = 'CREATE TABLE meta(name, value)' WHERE name = 'meta'",
        "INSERT INTO words_config VALUES ('rank', 'evil()')",
        "UPDATE words_config SET v = 99",
    ],
)
def test_a_schema_that_is_not_ours_is_refused(path: Path, statement: str) -> None:
    change(path, statement)

    text = complaint(path)

    assert "no index that `ramalama rag` has made" in text or "is damaged" in text


def test_nothing_hides_behind_entries_of_the_schema_that_come_twice(path: Path) -> None:
    again = (
        "INSERT INTO sqlite_schema SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema"
        " WHERE name = 'sqlite_autoindex_document_1' LIMIT 1"
    )
    hidden = "VALUES ('view', 'v', 'v', 0, 'CREATE VIEW v AS SELECT 1')"
    change(path, *[again] * 32, f"INSERT INTO sqlite_schema {hidden}")

    assert "no index that `ramalama rag` has made" in complaint(path)


def test_many_chunks_that_share_the_pages_of_one_text_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "docs.db", {"a.md": ["x" * (4092 * 200 + 400)]})
    share_text(path)

    assert "more text than its file has bytes" in complaint(path)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM meta",
        "UPDATE meta SET value = 'many' WHERE name = 'chunks'",
        "UPDATE meta SET value = '-1' WHERE name = 'chunks'",
        "UPDATE meta SET value = '1000000' WHERE name = 'chunks'",
        "UPDATE meta SET value = '99999999999999999999' WHERE name = 'documents'",
        "UPDATE meta SET value = zeroblob(100) WHERE name = 'sources'",
        "UPDATE meta SET value = '{}' WHERE name = 'sources'",
        "UPDATE meta SET value = 'nan' WHERE name = 'floor'",
        "UPDATE meta SET value = '{\"dimension\": 0}' WHERE name = 'embedder'",
        "UPDATE meta SET value = replace(value, '64', '1e9') WHERE name = 'embedder'",
        "UPDATE meta SET value = replace(hex(zeroblob(9000)), '00', '[') WHERE name = 'sources'",
        "UPDATE signs SET bits = zeroblob(3)",
        "UPDATE signs SET chunks = zeroblob(4), bits = zeroblob(8)",
        "UPDATE signs SET chunks = x'ffffffff', bits = zeroblob(8)",
        "UPDATE signs SET bits = 'text'",
        "UPDATE vector SET value = zeroblob(3)",
        "UPDATE vector SET value = 7",
        "UPDATE vector SET value = zeroblob(1000000)",
        "UPDATE probe SET value = zeroblob(1000000)",
        "UPDATE chunk SET text = x'ff'",
        "UPDATE chunk SET text = CAST(x'ff' AS TEXT)",
        "UPDATE chunk SET overlap = 1000000",
        "UPDATE chunk SET overlap = -1",
        "UPDATE chunk SET page = 'one'",
        "UPDATE document SET title = x'00'",
        "UPDATE document SET pages_without_text = '1 x'",
        "UPDATE document SET pages_without_text = '-1'",
    ],
)
def test_values_that_make_no_sense_are_refused(path: Path, statement: str) -> None:
    change(path, statement)

    assert "damaged" in complaint(path) or "makes no sense" in complaint(path)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE common SET chunks = 'many'",
        "UPDATE meta SET value = replace(value, '64', '32') WHERE name = 'embedder'",
        "UPDATE document SET uri = x'00' WHERE id = 1",
        "DELETE FROM common",
        "DELETE FROM chunk",
        "DELETE FROM document",
        "DELETE FROM vector",
        "DELETE FROM signs",
        "DELETE FROM probe",
        "DELETE FROM words_data WHERE id > 10",
        "DELETE FROM words_docsize",
        "DELETE FROM words_idx",
        "UPDATE words_data SET block = zeroblob(100) WHERE id > 10",
        "UPDATE words_data SET block = randomblob(200)",
        "UPDATE chunk SET document = 1",
        "UPDATE document SET first = 1, chunks = 1000000000",
        "UPDATE vector SET value = x'" + "ff7f" * 64 + "'",
    ],
)
def test_what_does_not_fit_together_does_no_harm(path: Path, statement: str) -> None:
    change(path, statement)
    began = time.monotonic()

    with suppress(RagError):
        use(path)

    assert time.monotonic() - began < 20


def test_a_text_of_a_gigabyte_is_not_read(path: Path) -> None:
    change(path, "UPDATE chunk SET text = hex(zeroblob(20000000))")

    assert "damaged" in complaint(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"SQLite format 3\0",
        b"SQLite format 3\0" + bytes(1000),
        b"SQLite format 3\0" + b"\xff" * 5000,
    ],
)
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.db").write_bytes(content)

    assert "index" in complaint(tmp_path / "a.db")


def test_another_database_is_refused(tmp_path: Path) -> None:
    change(tmp_path / "a.db", "CREATE TABLE t(x)")

    assert "a database, but not an index" in complaint(tmp_path / "a.db")


def test_an_index_of_a_later_version_says_so(path: Path) -> None:
    change(path, "PRAGMA user_version = 2")

    assert "has the format 2, but this version of ramalama reads 1" in complaint(path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.db")

    assert "regular file" in complaint(tmp_path / "a.db")


def test_random_damage_is_refused_or_does_no_harm(path: Path, tmp_path: Path) -> None:
    whole = path.read_bytes()
    chance = random.Random(7)  # noqa: S311 (damage, not secrets)
    damaged = tmp_path / "damaged.db"
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(chance.randrange(1, 20)):
            start = chance.randrange(len(content))
            content[start : start + 4] = chance.randbytes(4)
        struct.pack_into(">I", content, 68, APPLICATION_ID)
        struct.pack_into(">I", content, 60, 1)
        damaged.write_bytes(content[: chance.choice([len(content), chance.randrange(4096, 60000)])])
        with suppress(RagError):
            use(damaged)


def test_a_query_that_takes_for_ever_is_ended(path: Path) -> None:
    from ramalama.rag.index.guard import Guard  # noqa: PLC0415 (only here)

    guard = Guard(path)
    forever = (
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    )
    with (
        closing(guard.connection),
        pytest.raises(IndexInvalid, match="longer"),
        guard.limited(seconds=0.2) as connection,
    ):
        connection.execute(forever)


def test_nothing_can_be_written_through_an_open_index(path: Path) -> None:
    from ramalama.rag.index.guard import Guard  # noqa: PLC0415 (only here)

    before = path.read_bytes()
    guard = Guard(path)
    for statement in ("DELETE FROM chunk", "ATTACH 'x.db' AS x", "PRAGMA user_version = 7"):
        with pytest.raises(IndexInvalid), guard.limited(seconds=5) as connection:
            connection.execute(statement)
    guard.connection.close()

    assert path.read_bytes() == before


def test_a_list_of_words_that_claims_to_be_huge_is_damage(path: Path) -> None:
    from ramalama.rag.index.guard import Guard  # noqa: PLC0415 (only here)

    guard = Guard(path)
    with (
        closing(guard.connection),
        pytest.raises(IndexInvalid, match="is damaged"),
        guard.limited(seconds=1),
    ):
        raise MemoryError  # as SQLite does if it cannot get what a damaged list asks for
