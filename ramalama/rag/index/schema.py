"""The format of an index: one SQLite file.

Its bytes depend on the documents, their vectors and the version of SQLite alone: there is no time
in it, documents are in the order of their URIs, and their chunks are numbered from 1 in that order.

    meta       what `IndexInfo` says, and the settings with which the chunks were made
    document   one row for each: its chunks begin with the ID ``first``; ``pages_without_text`` is a
               list such as "3 4 7"
    chunk      what is shown; ``headings`` are joined by U+001F
    words      full-text index of the chunks, without their text; rowid is the chunk's ID
    common     terms that many chunks have, with the number of these chunks
    vector     one row for each chunk that has one: little-endian 16-bit floats, of length 1
    signs      the signs of all vectors, a bit for each number, in the order of ``vector``: parts of
               `SIGNS_IN_PART` vectors with the IDs of their chunks, 32 bits each, little-endian
    probe      vectors of questions that no document answers, see `ramalama.rag.index.probes`
"""

from __future__ import annotations

from typing import Final

APPLICATION_ID: Final = 0x524C5247  # "RLRG", at byte 68 of the file
FORMAT: Final = 1  # at byte 60, as SQLite's user_version
FILE_NAME: Final = "rag.db"  # in a directory that was named as the destination

HEADINGS_SEPARATOR: Final = "\x1f"
SIGNS_IN_PART: Final = 4096
TOKENIZER: Final = "porter unicode61"

LONGEST_TEXT: Final = 1024 * 1024  # characters of a chunk, a title or a value in meta
LARGEST_VALUE: Final = 16 * 1024 * 1024  # bytes; SQLite reads no larger one
LARGEST_DIMENSION: Final = 8192
LEAST_ROW: Final = 12  # bytes that a row takes at least, in any of the tables

STATEMENTS: Final = (
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    (
        "CREATE TABLE document(id INTEGER PRIMARY KEY, uri TEXT NOT NULL UNIQUE,"
        " title TEXT NOT NULL, digest TEXT NOT NULL, pages_without_text TEXT NOT NULL,"
        " first INTEGER NOT NULL, chunks INTEGER NOT NULL)"
    ),
    (
        "CREATE TABLE chunk(id INTEGER PRIMARY KEY, document INTEGER NOT NULL, page INTEGER,"
        " overlap INTEGER NOT NULL, headings TEXT NOT NULL, text TEXT NOT NULL)"
    ),
    (
        "CREATE VIRTUAL TABLE words USING fts5(title, headings, text, content='',"
        f" tokenize='{TOKENIZER}')"
    ),
    "CREATE TABLE common(term TEXT PRIMARY KEY, chunks INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE vector(chunk INTEGER PRIMARY KEY, value BLOB NOT NULL)",
    "CREATE TABLE signs(part INTEGER PRIMARY KEY, chunks BLOB NOT NULL, bits BLOB NOT NULL)",
    "CREATE TABLE probe(id INTEGER PRIMARY KEY, value BLOB NOT NULL)",
)

# What SQLite adds by itself for these statements.
_SHADOWS: Final = (
    ("index", "sqlite_autoindex_document_1", None),
    ("table", "words_data", "CREATE TABLE 'words_data'(id INTEGER PRIMARY KEY, block BLOB)"),
    (
        *("table", "words_idx"),
        "CREATE TABLE 'words_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID",
    ),
    ("table", "words_docsize", "CREATE TABLE 'words_docsize'(id INTEGER PRIMARY KEY, sz BLOB)"),
    ("table", "words_config", "CREATE TABLE 'words_config'(k PRIMARY KEY, v) WITHOUT ROWID"),
)


def expected_schema() -> frozenset[tuple[str, str, str | None]]:
    """Return type, name and statement of everything that the schema of an index has."""
    tables = (("table", _name(statement), statement) for statement in STATEMENTS)
    return frozenset([*tables, *_SHADOWS])


def _name(statement: str) -> str:
    return statement.partition("(")[0].partition(" USING ")[0].rpartition(" ")[2]
