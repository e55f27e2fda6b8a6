"""Which directory of upstream's is which reference."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramalama.errors import InvalidReference
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.scheme import Scheme
from ramalama.models.store.upstream.layout import place_of, reference_at, says_all

STORE = Path("/base/store")
TABLE = [
    ("ollama://smollm2:135m", "ollama/library/smollm2/refs/135m.json"),
    ("ollama://smollm2", "ollama/library/smollm2/refs/latest.json"),
    ("ollama://ann/chat:8b-Q4", "ollama/ann/chat/refs/8b-Q4.json"),
    ("ollama://models.example/ann/chat:1", "ollama/models.example/ann/chat/refs/1.json"),
    ("hf://acme/tiny-GGUF", "huggingface/acme/tiny-GGUF/refs/latest.json"),
    ("hf://acme/tiny-GGUF:Q8_0", "huggingface/acme/tiny-GGUF/refs/Q8_0.json"),
    ("hf://acme/t-GGUF/t-Q8_0.gguf", "huggingface/acme/t-GGUF/t-Q8_0.gguf/refs/latest.json"),
    ("hf://acme/t-GGUF/Q8/t.gguf", "huggingface/acme/t-GGUF/Q8/t.gguf/refs/latest.json"),
    ("ms://o/r/f.gguf", "modelscope/o/r/f.gguf/refs/latest.json"),
    ("ms://o/r", "modelscope/o/r/refs/latest.json"),
    ("oci://quay.io/o/m:1", "oci/quay.io/o/m/refs/1.json"),
    ("oci://localhost:5000/o/m:1", "oci/localhost:5000/o/m/refs/1.json"),
    (f"oci://quay.io/o/m@sha256:{'a' * 64}", f"oci/quay.io/o/m@sha256/refs/{'a' * 64}.json"),
    ("http://example.com/a/b.gguf", "http/example.com/a/b.gguf/refs/latest.json"),
    ("file:///d/m.gguf", "file/d/m.gguf/refs/latest.json"),
]
ONE_WAY = [
    ("hf://acme/tiny-GGUF:q8_0", "huggingface/acme/tiny-GGUF/refs/Q8_0.json"),
    ("http://127.0.0.1:8092/a/b.gguf", "http/127.0.0.1/a/b.gguf/refs/latest.json"),
    ("http://example.com/b.gguf?v=1:2", "http/example.com/b.gguf?v=1/refs/2.json"),
    ("https://example.com/o/r/blob/main/f.gguf", "https/example.com/o/r/f.gguf/refs/main.json"),
    ("https://example.com/o/file/view/v1/f.gguf", "https/example.com/o/f.gguf/refs/v1.json"),
]
FROM_HUBS = [
    (
        ModelRef(Scheme.HTTPS, "huggingface.co/o/r/resolve/main/f.gguf"),
        "https/huggingface.co/o/r/f.gguf/refs/main.json",
    ),
    (
        ModelRef(Scheme.HTTPS, "huggingface.co/o/r/resolve/main/sub/f.gguf"),
        "https/huggingface.co/o/r/resolve/main/sub/f.gguf/refs/latest.json",
    ),
]


def parse(text: str) -> ModelRef:
    return ModelRef.parse(text, cwd=Path("/nowhere"))


def path_of(reference: ModelRef) -> str:
    place = place_of(reference)
    assert place is not None
    return str(place.ref(STORE).relative_to(STORE))


@pytest.mark.parametrize(("text", "path"), [*TABLE, *ONE_WAY])
def test_a_reference_is_where_upstream_looks_for_it(text: str, path: str) -> None:
    assert path_of(parse(text)) == path


@pytest.mark.parametrize(("reference", "path"), FROM_HUBS)
def test_a_hubs_url_is_where_upstream_looks_for_it(reference: ModelRef, path: str) -> None:
    assert path_of(reference) == path


@pytest.mark.parametrize(
    ("reference", "path"), [*((parse(text), path) for text, path in TABLE), *FROM_HUBS]
)
def test_a_place_tells_its_reference(reference: ModelRef, path: str) -> None:
    *parts, _, name = path.split("/")

    assert reference_at(parts, name) == reference


@pytest.mark.parametrize(
    "reference",
    [
        ModelRef(Scheme.HUGGINGFACE, "refs/blobs"),
        ModelRef(Scheme.HUGGINGFACE, "acme/tiny-GGUF/refs/latest.json"),
        ModelRef(Scheme.HUGGINGFACE, "acme/tiny-GGUF/Snapshots/x.gguf"),
        ModelRef(Scheme.HUGGINGFACE, "../../etc/passwd"),
        ModelRef(Scheme.OLLAMA, "library/x", "../../../evil"),
        ModelRef(Scheme.OLLAMA, "library/x", ".."),
        ModelRef(Scheme.OLLAMA, "library/x", "latest.json"),
        ModelRef(Scheme.OLLAMA, "library/x", "t" * 250),
        ModelRef(Scheme.OLLAMA, "library//x", "latest"),
        ModelRef(Scheme.HTTP, "h/a//b.gguf"),
        ModelRef(Scheme.HTTP, "h/a/../b.gguf"),
        ModelRef(Scheme.HTTP, "h/a:b/c.gguf"),
        ModelRef(Scheme.HTTP, f"h/{'a' * 300}"),
        ModelRef(Scheme.FILE, "/"),
        ModelRef(Scheme.FILE, "/models/na\udcefve.gguf"),
    ],
)
def test_what_upstream_would_stumble_over_has_no_place(reference: ModelRef) -> None:
    assert place_of(reference) is None


segments = st.sampled_from(["a", "b.gguf", "resolve", "blob", "x:1", "A"]) | st.sampled_from(
    ["..", ".", "", "refs", "Blobs", "\0", "a\\b", "x" * 300]
)
references = st.builds(
    ModelRef,
    st.sampled_from(Scheme),
    st.lists(segments | st.text(max_size=3), min_size=1, max_size=6).map("/".join),
    st.sampled_from(["", "Q8_0", "latest"]) | segments | st.text("./a:\\\0", max_size=5),
)


@given(references)
def test_no_reference_leaves_its_directory_or_gets_into_another_models(
    reference: ModelRef,
) -> None:
    place = place_of(reference)
    if place is None:
        return
    directory, ref = place.directory(STORE), place.ref(STORE)

    assert ".." not in ref.parts
    assert len(ref.name.encode()) <= 255
    assert ref.parent == directory / "refs"
    assert STORE in directory.parent.parents or directory.parent.parent == STORE
    assert {part.lower() for part in place.parts}.isdisjoint({"refs", "blobs", "snapshots"})


@given(st.from_regex(r"[a-z]{1,5}://[A-Za-z0-9_./:@-]{1,40}", fullmatch=True))
def test_what_a_place_tells_has_that_place(text: str) -> None:
    try:
        place = place_of(parse(text))
    except InvalidReference:
        return
    if place is None:
        return
    told = reference_at(place.parts, f"{place.tag}.json")

    assert told is not None
    assert place_of(told) == place


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("ollama", "library", "x"), "..json"),
        (("ollama", "library", "x"), "a/b.json"),
        (("unheard-of", "library", "x"), "latest.json"),
        (("ollama",), "latest.json"),
    ],
)
def test_what_is_no_place_tells_nothing(parts: tuple[str, ...], name: str) -> None:
    assert reference_at(parts, name) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("http://example.com:8080/a.gguf", False),
        ("http://[::1]:8080/a.gguf", False),
        ("http://example.com/a.gguf", True),
        ("oci://localhost:5000/o/m:1", True),
    ],
)
def test_a_urls_port_gets_lost(text: str, *, told: bool) -> None:
    assert says_all(parse(text)) is told
