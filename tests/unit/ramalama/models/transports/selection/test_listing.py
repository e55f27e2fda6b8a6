"""What servers say of files."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ramalama.models.formats.model_files import Digest
from ramalama.models.transports.selection.listing import ListedFile

OF_HELLO = Digest("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
OID_OF_HELLO = "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0"  # git hash-object


@pytest.mark.parametrize(
    "path", ["../x.gguf", "/etc/x.gguf", "a/../x.gguf", "a//x.gguf", "a\nb.gguf", "\ud800", "", 7]
)
def test_a_name_that_no_file_of_a_model_may_have_is_passed_over(path: object) -> None:
    assert ListedFile.parse(path=path, size=1) is None


@pytest.mark.parametrize("size", [-1, 2**50 + 1, 2**64, True, 1.0, "1", None])
def test_a_size_is_a_number_of_bytes_that_a_disk_could_hold(size: object) -> None:
    with pytest.raises(ValueError, match=r"^the size of tiny\.gguf is not valid$"):
        ListedFile.parse(path="tiny.gguf", size=size)


def test_a_digest_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not a SHA-256"):
        ListedFile.parse(path="tiny.gguf", size=1, sha256="abc")


@settings(deadline=None)
@given(
    path=st.text(max_size=30) | st.integers() | st.none(),
    size=st.integers() | st.text(max_size=3) | st.booleans() | st.floats(),
    sha256=st.text(max_size=70) | st.none() | st.just("ab" * 32),
    oid=st.text(max_size=50) | st.none() | st.just("AB" * 20),
)
def test_whatever_is_said_is_harmless_or_refused(
    path: object, size: object, sha256: object, oid: object
) -> None:
    try:
        file = ListedFile.parse(path=path, size=size, sha256=sha256, oid=oid)
    except ValueError:
        return

    if file is not None:
        assert ".." not in file.path.split("/")
        assert not file.path.startswith("/")
        assert file.path.isprintable()
        assert 0 <= file.size <= 2**50


@pytest.mark.parametrize(
    "file",
    [
        ListedFile(path="f", size=5, sha256=OF_HELLO, oid="0" * 40),
        ListedFile(path="f", size=5, oid=OID_OF_HELLO),
        ListedFile(path="f", size=5),
    ],
    ids=["sha256", "git", "size"],
)
def test_a_content_is_compared_with_the_best_that_is_known_of_it(file: ListedFile) -> None:
    assert file.has(b"hello")
    assert not file.has(b"hello!")
