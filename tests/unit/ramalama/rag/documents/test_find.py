"""Which documents a name stands for, and what is left out."""

from __future__ import annotations

import io
import os
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import DocumentNotFound
from ramalama.rag.documents.files import read_file
from ramalama.rag.documents.find import FoundDocuments, find_documents
from ramalama.rag.documents.limits import Unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ramalama.rag.documents.find import Source


def no_urls(url: str) -> Source:
    raise AssertionError(url)


def make_tree(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def find(*names: str, leave_out: tuple[str, ...] = ()) -> FoundDocuments:
    return find_documents(names, no_urls, leave_out=leave_out)


def found(*names: str) -> list[str]:
    return [each.uri for each in find(*names).sources]


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_directory_stands_for_all_files_below_it(tree: Path) -> None:
    make_tree(tree, {"docs/b.md": "", "docs/in/a.txt": "", "docs/in/deep/c": "", "other": ""})

    assert found("docs") == ["docs/b.md", "docs/in/a.txt", "docs/in/deep/c"]
    assert found("./docs/") == found("docs")
    assert found(".") == [*found("docs"), "other"]


def test_a_document_that_is_named_twice_is_found_once(tree: Path) -> None:
    make_tree(tree, {"docs/a.md": ""})

    assert found("docs", "docs/a.md", "./docs//a.md") == ["docs/a.md"]


def test_hidden_files_and_directories_of_version_control_are_left_out(tree: Path) -> None:
    make_tree(tree, dict.fromkeys((".git/x", ".env", "CVS/x", "node_modules/x", "a/.b/c", "d"), ""))

    assert found(".") == ["d"]


def test_a_hidden_file_that_is_named_is_taken(tree: Path) -> None:
    make_tree(tree, {".env": "", ".notes/a": ""})

    assert found(".env", ".notes") == [".env", ".notes/a"]


def test_rules_hold_in_their_directory_and_below(tree: Path) -> None:
    make_tree(
        tree,
        {
            ".gitignore": "*.log\n/build/\n",
            "a.log": "",
            "build/x": "",
            "in/build/x": "",
            "in/.gitignore": "!keep.log\nsecret\n",
            "in/a.log": "",
            "in/keep.log": "",
            "in/secret": "",
            "secret": "",
        },
    )

    assert found(".") == ["in/build/x", "in/keep.log", "secret"]


def test_ragignore_has_the_last_word(tree: Path) -> None:
    make_tree(
        tree, {".gitignore": "*.md\n", ".ragignore": "!a.md\n*.txt\n", "a.md": "", "b.txt": ""}
    )

    assert found(".") == ["a.md"]


def test_rules_that_are_a_pipe_or_a_link_are_not_read(tree: Path) -> None:
    make_tree(tree, {"rules": "*", "a": ""})
    os.mkfifo(tree / ".gitignore")
    (tree / ".ragignore").symlink_to("rules")

    assert found(".") == ["a", "rules"]


def test_links_below_a_directory_are_not_followed_and_told(tree: Path) -> None:
    make_tree(tree, {"docs/a": "", "secret": "x", "dir/b": ""})
    (tree / "docs/link").symlink_to(tree / "secret")
    (tree / "docs/inner").symlink_to("a")
    (tree / "docs/up").symlink_to("..")
    (tree / "docs/loop").symlink_to("loop")

    result = find("docs")

    assert [each.uri for each in result.sources] == ["docs/a"]
    names = ("docs/inner", "docs/link", "docs/loop", "docs/up")
    assert result.skipped == tuple((name, "is a symbolic link") for name in names)


def test_a_link_that_is_named_is_followed(tree: Path) -> None:
    make_tree(tree, {"a": "text", "dir/b": ""})
    (tree / "link").symlink_to("a")
    (tree / "directory").symlink_to("dir")

    result = find("link", "directory")

    assert [each.uri for each in result.sources] == ["directory/b", "link"]
    assert result.sources[1].load().data == b"text"


def test_a_file_that_becomes_a_link_while_others_are_read_is_not_followed(tree: Path) -> None:
    make_tree(tree, {"docs/in/a": "", "secret/a": "x"})
    (source,) = find("docs").sources
    (tree / "docs/in/a").unlink()
    (tree / "docs/in").rmdir()
    (tree / "docs/in").symlink_to(tree / "secret")

    with pytest.raises(Unreadable):
        source.load()


def test_pipes_sockets_and_devices_are_not_waited_for(tree: Path) -> None:
    (tree / "docs").mkdir()
    os.mkfifo(tree / "docs/pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tree / "docs/socket"))
        reasons: list[str] = []
        for source in find("docs").sources:
            with pytest.raises(Unreadable) as caught:
                source.load()
            reasons.append(caught.value.reason)
    with pytest.raises(Unreadable) as caught:
        read_file("/dev/zero")

    assert reasons[0] == "is not a regular file"
    assert reasons[1].startswith("cannot be read")
    assert caught.value.reason == "is not a regular file"


def test_a_file_without_permission_may_be_readable_later(tree: Path) -> None:
    make_tree(tree, {"a": "x"})
    (tree / "a").chmod(0)
    if os.access(tree / "a", os.R_OK):  # as root every file is readable
        (tree / "a").unlink()

    with pytest.raises(Unreadable) as caught:
        read_file("a")

    assert caught.value.may_pass


def test_what_does_not_exist_is_an_error() -> None:
    with pytest.raises(DocumentNotFound, match="nothing: there is no such document"):
        find("nothing")


def test_the_index_itself_is_no_document(tree: Path) -> None:
    make_tree(tree, {"a": "", "docs.db": ""})

    result = find(".", leave_out=(str(tree / "docs.db"),))

    assert [each.uri for each in result.sources] == ["a"]


def test_a_name_that_is_no_text_is_shown_with_escapes(tree: Path) -> None:
    (tree / "docs").mkdir()
    with open(bytes(tree) + b"/docs/\xff.txt", "w") as file:  # noqa: PTH123 (bytes)
        file.write("hello")

    (source,) = find("docs").sources

    assert source.uri == "docs/\\xff.txt"
    assert source.load().data == b"hello"


def test_standard_input_is_a_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"# Notes\nhello")))

    (source,) = find("-").sources
    loaded = source.load()

    assert (loaded.uri, loaded.data) == ("-", b"# Notes\nhello")


def test_an_update_has_no_standard_input() -> None:
    (source,) = find_documents(["-"], no_urls, has_stdin=False).sources

    with pytest.raises(Unreadable) as caught:
        source.load()

    assert caught.value.may_pass


def test_directories_that_are_too_deep_are_left_out_and_told(tree: Path) -> None:
    deep = "/".join(["d"] * 70)
    make_tree(tree, {f"docs/{deep}/a": "", "docs/b": ""})

    result = find("docs")

    assert [each.uri for each in result.sources] == ["docs/b"]
    assert [reason for _, reason in result.skipped] == [
        "has more than 64 directories in each other"
    ]
