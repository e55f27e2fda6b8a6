"""The names that Ollama, the hubs and OCI registries give to models."""

from __future__ import annotations

import pytest

from ramalama.models.reference.names import HubName, parse_hub, parse_oci, parse_ollama
from ramalama.models.reference.urls import parse_host

HEX = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


@pytest.mark.parametrize(
    ("text", "location", "tag"),
    [
        ("smollm2", "library/smollm2", "latest"),
        ("smollm2:135m", "library/smollm2", "135m"),
        ("library/smollm2", "library/smollm2", "latest"),
        ("MFDoom/deepseek-r1:7b", "MFDoom/deepseek-r1", "7b"),
        ("llama3.2:1b-instruct-q4_K_M", "library/llama3.2", "1b-instruct-q4_K_M"),
        ("ollama.com/library/smollm2", "library/smollm2", "latest"),
        ("registry.ollama.ai/library/smollm2:1", "library/smollm2", "1"),
        ("Ollama.COM/smollm2", "library/smollm2", "latest"),
        ("hf.co/org/repo:Q4_K_M", "hf.co/org/repo", "Q4_K_M"),
        ("LOCALHOST:5000/ns/name:tag", "localhost:5000/ns/name", "tag"),
        ("[::1]:5000/ns/name", "[::1]:5000/ns/name", "latest"),
        ("_a/_b:_c", "_a/_b", "_c"),
        (f"{'n' * 80}/{'m' * 80}:{'t' * 80}", f"{'n' * 80}/{'m' * 80}", "t" * 80),
    ],
)
def test_a_name_of_ollamas_is_spelled_out(text: str, location: str, tag: str) -> None:
    assert parse_ollama(text) == (location, tag)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "'' cannot be a name"),
        ("smollm2:", "'' cannot be a tag"),
        (":135m", "'' cannot be a name"),
        ("smollm2/", "'' cannot be a name"),
        ("/smollm2", "'' cannot be a namespace"),
        ("ns.with.dots/name", "'ns.with.dots' cannot be a namespace"),
        ("-x", "'-x' cannot be a name"),
        (".x", "'.x' cannot be a name"),
        ("..", "'..' cannot be a name"),
        ("ns/..", "'..' cannot be a name"),
        ("x:..", "'..' cannot be a tag"),
        ("naïve", "cannot be a name"),
        ("smollm2\n", "cannot be a name"),
        ("m" * 81, "cannot be a name"),
        ("x:" + "t" * 81, "cannot be a tag"),
        ("n" * 81 + "/x", "cannot be a namespace"),
        ("org/repo/f.gguf", "for Hugging Face use hf://"),
        ("a/b/c/d", "for Hugging Face use hf://"),
        ("a.b/c.d/ns/name", "for Hugging Face use hf://"),
        ("bad_.host:99999/ns/name", "not a host name"),
    ],
)
def test_ollamas_own_rules_are_kept(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_ollama(text)


@pytest.mark.parametrize(
    ("text", "location", "tag"),
    [
        ("org/repo", "org/repo", ""),
        ("org/repo:Q4_K_M", "org/repo", "Q4_K_M"),
        ("org/repo:q8_0", "org/repo", "q8_0"),
        ("org/repo:latest", "org/repo", ""),
        ("org/repo/f.gguf", "org/repo/f.gguf", ""),
        ("org/repo/f.gguf:latest", "org/repo/f.gguf", ""),
        ("org/repo/Q8_0/big one-00001-of-00002.gguf", None, ""),
        ("org/repo/模型.gguf", "org/repo/模型.gguf", ""),
        ("org/repo@v1.0:UD-Q4_K_XL", "org/repo@v1.0", "UD-Q4_K_XL"),
        ("org/repo@refs%2Fpr%2F1/f.gguf", "org/repo@refs%2Fpr%2F1/f.gguf", ""),
    ],
)
def test_a_repository_of_a_hub_may_have_a_quantisation_or_a_file(
    text: str, location: str | None, tag: str
) -> None:
    assert parse_hub(text) == (location or text, tag)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "form ORG/REPO"),
        ("gpt2", "form ORG/REPO"),
        ("org/", "form ORG/REPO"),
        ("/repo", "'' cannot be an organisation"),
        ("org/..", "'..' cannot be a repository"),
        ("../repo", "'..' cannot be an organisation"),
        ("org/repo:", "'' cannot be a quantisation"),
        ("org/repo:../x", "'repo:..' cannot be a repository"),
        ("org/repo@", "'' cannot be a revision"),
        ("org/repo@../f", "'..' cannot be a revision"),
        ("org/repo/", "'' cannot be the path of a file"),
        ("org/repo/../../etc/passwd", "cannot be the path of a file"),
        ("org/repo/a//b", "cannot be the path of a file"),
        ("org/repo/./b", "cannot be the path of a file"),
        ("org/repo/a\\..\\b", "cannot be the path of a file"),
        ("org/repo/f.gguf:Q4_K_M", "it names a file and a quantisation"),
        ("o" * 97 + "/repo", "cannot be an organisation"),
    ],
)
def test_what_no_repository_is_called_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_hub(text)


@pytest.mark.parametrize(
    ("location", "repository", "revision", "file"),
    [
        ("org/repo", "org/repo", None, None),
        ("org/repo/a/b.gguf", "org/repo", None, "a/b.gguf"),
        ("org/repo@v1", "org/repo", "v1", None),
        ("org/repo@refs%2Fpr%2F1/a@b.gguf", "org/repo", "refs%2Fpr%2F1", "a@b.gguf"),
    ],
)
def test_a_location_at_a_hub_comes_apart(
    location: str, repository: str, revision: str | None, file: str | None
) -> None:
    assert HubName.parse(location) == HubName(repository=repository, revision=revision, file=file)


@pytest.mark.parametrize(
    ("text", "location", "tag"),
    [
        ("quay.io/org/model", "quay.io/org/model", "latest"),
        ("quay.io/org/model:1.0", "quay.io/org/model", "1.0"),
        (f"quay.io/org/model@sha256:{HEX}", "quay.io/org/model", f"sha256:{HEX}"),
        (f"quay.io/org/model:1.0@sha256:{HEX}", "quay.io/org/model", f"sha256:{HEX}"),
        ("ai/smollm2", "docker.io/ai/smollm2", "latest"),
        ("smollm2", "docker.io/library/smollm2", "latest"),
        ("localhost:5000/m", "localhost:5000/m", "latest"),
    ],
)
def test_an_oci_name_is_read_as_docker_and_podman_read_it(
    text: str, location: str, tag: str
) -> None:
    assert parse_oci(text) == (location, tag)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "its repository .* is invalid"),
        ("quay.io/", "its repository '' is invalid"),
        ("quay.io/../m", "its repository '../m' is invalid"),
        ("quay.io/m:", "its tag '' is invalid"),
        ("quay.io/USER/m", "the names of images must be in lower case"),
        ("quay.io:x/m", "its registry 'quay.io:x' is invalid$"),
        ("quay.io/m@sha256:0", "its digest 'sha256:0' is invalid$"),
        (f"quay.io/m@sha512:{HEX}{HEX}", "only SHA-256 digests are supported"),
        (HEX, "is the ID of an image"),
    ],
)
def test_what_is_no_oci_name_is_refused_with_the_part_that_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_oci(text)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Example.COM", "example.com"),
        ("example.com:8080", "example.com:8080"),
        ("127.0.0.1:1", "127.0.0.1:1"),
        ("[::1]", "[::1]"),
        ("[2001:DB8::1]:65535", "[2001:db8::1]:65535"),
        ("my_service", "my_service"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ],
)
def test_a_server_is_a_host_and_perhaps_a_port(text: str, host: str) -> None:
    assert parse_host(text) == host


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bücher.example",
        "раypal.com",  # noqa: RUF001 (Cyrillic letters that look like ours)
        "example..com",
        "-example.com",
        "example.com:",
        "example.com:0",
        "example.com:65536",
        "example.com:" + "9" * 5000,
        "example.com:8\N{ARABIC-INDIC DIGIT ZERO}80",
        "[::1",
        "a b",
        "a/b",
        "a." * 200 + "a",
        "a\n",
    ],
)
def test_anything_else_is_no_server(text: str) -> None:
    with pytest.raises(ValueError, match="not a host name"):
        parse_host(text)
