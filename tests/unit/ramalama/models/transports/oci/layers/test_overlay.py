"""Layers lie over each other as in an image."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramalama.models.transports.oci.layers.overlay import Link, Overlay, clean_path, is_whiteout


@pytest.mark.parametrize(
    ("text", "base", "expected"),
    [
        ("models/m.gguf", "", "models/m.gguf"),
        ("./models//m.gguf", "", "models/m.gguf"),
        ("/models/m.gguf", "", "models/m.gguf"),
        ("models/", "", "models"),
        ("./", "", ""),
        ("m.gguf", "models", "models/m.gguf"),
        ("../data/m.gguf", "models", "data/m.gguf"),
        ("/data/m.gguf", "models", "data/m.gguf"),
        ("a/../../m", "models", "m"),
        ("..", "", None),
        ("a/../../m", "", None),
        ("../../m", "models", None),
        ("/../m", "models", None),
    ],
)
def test_a_path_means(text: str, base: str, expected: str | None) -> None:
    assert clean_path(text, base=base) == expected


@given(st.text("ab./", max_size=30), st.sampled_from(["", "a", "a/b"]))
def test_no_path_leads_out(text: str, base: str) -> None:
    found = clean_path(text, base=base)

    assert found is None or not found or not {"", ".", ".."}.intersection(found.split("/"))


def test_a_later_layer_replaces_and_removes() -> None:
    overlay = Overlay[str]()
    for path in ("m/a", "m/b", "m/d/x", "m/d/y", "m/e/x", "m/f", "n"):
        overlay.add(path, "old")
    overlay.begin_layer()
    overlay.add("m/a", "new")
    overlay.white_out("m/.wh.b")
    overlay.add("m/d/z", "new")
    overlay.white_out("m/d/.wh..wh..opq")
    overlay.white_out("m/.wh.e")
    overlay.add("m/f/x", "new")
    overlay.add_directory("m/f")
    overlay.white_out(".wh.n")

    assert overlay.files() == {"m/a": "new", "m/d/z": "new", "m/f/x": "new"}


def test_layers_add_up() -> None:
    overlay = Overlay[str]()
    for name in ("a", "b", "c"):
        overlay.begin_layer()
        overlay.add(name, name)

    assert overlay.files() == {"a": "a", "b": "b", "c": "c"}


def test_a_whiteout_spares_its_own_layer() -> None:
    overlay = Overlay[str]()
    overlay.add("m/a", "new")
    overlay.white_out("m/.wh.a")
    overlay.white_out(".wh..wh..opq")

    assert overlay.files() == {"m/a": "new"}


def test_a_file_takes_the_place_of_a_directory() -> None:
    overlay = Overlay[str]()
    overlay.add("m/a/x", "old")
    overlay.begin_layer()
    overlay.add("m/a", "new")

    assert overlay.files() == {"m/a": "new"}


def test_links_are_names_of_what_they_lead_to() -> None:
    overlay = Overlay[str]()
    overlay.add("a", Link("b"))
    overlay.add("b", Link("d/c"))
    overlay.add("d/c", "file")
    overlay.add("dangling", Link("nowhere"))
    overlay.add("directory", Link("d"))
    overlay.add("self", Link("self"))
    overlay.add("ping", Link("pong"))
    overlay.add("pong", Link("ping"))

    assert overlay.files() == {"a": "file", "b": "file", "d/c": "file"}


@pytest.mark.parametrize(
    ("path", "expected"), [("m/.wh.a", True), (".wh..wh..opq", True), ("m.wh.a", False)]
)
def test_a_whiteout_is_known_by_its_name(path: str, *, expected: bool) -> None:
    assert is_whiteout(path) == expected
