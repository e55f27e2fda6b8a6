"""What counts as an image reference, and what it means."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ramalama_engines.image_reference import ImageReference, is_image_id

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("debian", "docker.io/library/debian"),
        ("debian:12", "docker.io/library/debian:12"),
        ("docker.io/debian", "docker.io/library/debian"),
        ("index.docker.io/debian", "docker.io/library/debian"),
        ("ramalama/cuda:0.25", "docker.io/ramalama/cuda:0.25"),
        ("quay.io/ramalama/ramalama:0.25", "quay.io/ramalama/ramalama:0.25"),
        ("quay.io/ramalama", "quay.io/ramalama"),
        ("localhost/llama", "localhost/llama"),
        ("localhost:5000/llama:1.0_x-y.Z", "localhost:5000/llama:1.0_x-y.Z"),
        ("127.0.0.1:5000/a/b/c", "127.0.0.1:5000/a/b/c"),
        ("[::1]:5000/llama:1", "[::1]:5000/llama:1"),
        ("Registry/llama", "Registry/llama"),
        ("gpu-box:5000/a--b/c__d/e.f", "gpu-box:5000/a--b/c__d/e.f"),
        (f"debian@{DIGEST}", f"docker.io/library/debian@{DIGEST}"),
        (f"quay.io:443/a/b:1@{DIGEST}", f"quay.io:443/a/b:1@{DIGEST}"),
        ("name:" + "t" * 128, "docker.io/library/name:" + "t" * 128),
        ("0123456789ab", "docker.io/library/0123456789ab"),
    ],
)
def test_a_reference_is_spelled_out_as_docker_and_podman_read_it(text: str, full: str) -> None:
    reference = ImageReference.parse(text)

    assert reference.format() == full
    assert ImageReference.parse(full) == reference


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "repository"),
        (":1", "repository"),
        ("/", "repository"),
        ("a//b", "repository"),
        ("quay.io/", "repository"),
        ("quay.io/A", "repository"),
        ("Debian", "repository"),
        ("-debian", "repository"),
        ("--privileged", "repository"),
        ("a/../../containers/json", "repository"),
        ("deb ian", "repository"),
        ("debian\n", "repository"),
        ("debian\0", "repository"),
        ("déjà", "repository"),
        ("a___b", "repository"),
        ("https://quay.io/a", "registry"),
        ("x" * 256, "repository"),
        ("../a", "registry"),
        ("-quay.io/a", "registry"),
        ("quay..io/a", "registry"),
        ("quay.io:/a", "registry"),
        ("quay.io:0/a", "registry"),
        ("quay.io:65536/a", "registry"),
        ("quay.io:" + "9" * 5000 + "/a", "registry"),
        ("user@quay.io/a", "digest"),
        ("debian:", "tag"),
        ("debian:-1", "tag"),
        ("debian:1 2", "tag"),
        ("debian:" + "t" * 129, "tag"),
        ("debian@", "digest"),
        ("debian@sha256:abc", "digest"),
        (f"debian@{DIGEST.upper()}", "digest"),
        (f"debian@{DIGEST.replace('256', '512')}", "digest"),
        (f"debian@md5:{DIGEST[7:39]}", "digest"),
    ],
)
def test_what_is_no_reference_is_refused_with_the_part_that_is_wrong(text: str, part: str) -> None:
    with pytest.raises(ValueError, match=f"not an image reference: its {part} '") as caught:
        ImageReference.parse(text)

    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("text", [DIGEST, DIGEST.removeprefix("sha256:")])
def test_an_image_id_is_told_from_a_reference(text: str) -> None:
    assert is_image_id(text)
    with pytest.raises(ValueError, match="is the ID of an image"):
        ImageReference.parse(text)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("localhost/a", "localhost"),
        ("localhost:5000/a", "localhost"),
        ("127.0.0.1:5000/a", "127.0.0.1"),
        ("[::1]:5000/a", "::1"),
        ("quay.io/ramalama/cuda", "quay.io"),
        ("a", "docker.io"),
    ],
)
def test_the_registrys_host_has_neither_port_nor_brackets(text: str, host: str) -> None:
    assert ImageReference.parse(text).host == host


@settings(deadline=None)
@given(st.text(st.sampled_from("aB0.-_:/@[] \n%é"), max_size=30))
def test_any_text_is_read_the_same_twice_or_refused(text: str) -> None:
    try:
        reference = ImageReference.parse(text)
    except ValueError:
        return
    assert ImageReference.parse(reference.format()) == reference
