"""Web addresses of files, and of the hubs' pages."""

from __future__ import annotations

import pytest

from ramalama.errors import InvalidReference
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.urls import hub_reference, parse_url

HEX = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
HF = "https://huggingface.co"
MS = "https://modelscope.cn/models"


@pytest.mark.parametrize(
    ("rest", "location"),
    [
        ("web.site/ai.model", "web.site/ai.model"),
        ("Web.Site/AI.Model", "web.site/AI.Model"),
        ("127.0.0.1:8092/a/b.gguf", "127.0.0.1:8092/a/b.gguf"),
        ("[::1]/m", "[::1]/m"),
        ("e.com/m?file=a/b&x=%20", "e.com/m?file=a/b&x=%20"),
        ("e.com/?id=5", "e.com/?id=5"),
        ("e.com/two words.gguf", "e.com/two%20words.gguf"),
        ("e.com/two%20words.gguf", "e.com/two%20words.gguf"),
        ("e.com/100%.gguf", "e.com/100%25.gguf"),
        ("e.com/🦭.gguf", "e.com/%F0%9F%A6%AD.gguf"),
        ("e.com/a\\b", "e.com/a%5Cb"),
        ("e.com/a@b:c.gguf", "e.com/a@b:c.gguf"),
        ("e.com/...", "e.com/..."),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_address_keeps_its_path_and_becomes_ascii(scheme: str, rest: str, location: str) -> None:
    assert parse_url(scheme, rest) == (location, "")


def test_the_default_port_is_left_out() -> None:
    assert parse_url("https", "e.com:443/m") == parse_url("https", "e.com/m")
    assert parse_url("http", "[::1]:80/m") == parse_url("http", "[::1]/m")
    assert parse_url("http", "e.com:443/m") == ("e.com:443/m", "")


@pytest.mark.parametrize("written", [HEX, HEX.upper(), f"sha256:{HEX}"])
def test_the_fragment_is_the_digest_to_expect(written: str) -> None:
    assert parse_url("https", f"e.com/m.gguf?x=1#sha256={written}") == (
        "e.com/m.gguf?x=1",
        f"sha256:{HEX}",
    )


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        ("", "not a host name"),
        ("/m.gguf", "not a host name"),
        ("e.com", "but not a file"),
        ("e.com/", "but not a file"),
        ("e.com#sha256=0", "but not a file"),
        ("e.com?m", "not a host name"),
        ("e com/m", "not a host name"),
        ("e.com:x/m", "not a host name"),
        ("e.com/a/../m", "its path contains"),
        ("e.com/./m", "its path contains"),
        ("e.com/%2e%2E/m", "its path contains"),
        ("e.com/m#", "only the digest of the file"),
        ("e.com/m#main", "only the digest of the file"),
        ("e.com/m#sha1=0", "only the digest of the file"),
        ("e.com/m#sha256=0", "not a SHA-256 digest"),
        ("e.com/m#sha256=", "not a SHA-256 digest"),
        ("e.com/m?token", "its 'token' is a password"),
        ("e.com/m?a=1&SIG=x", "its 'SIG' is a password"),
        ("e.com/m?%74oken=x", "its 'token' is a password"),
    ],
)
def test_what_is_no_address_of_a_file_is_refused(rest: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_url("https", rest)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (f"{HF}/org/repo", "hf://org/repo"),
        (f"{HF}/org/repo/", "hf://org/repo"),
        (f"{HF}/org/repo?local-app=llama.cpp", "hf://org/repo"),
        (f"{HF}/org/repo#usage", "hf://org/repo"),
        (f"{HF}/org/repo:Q4_K_M", "hf://org/repo:Q4_K_M"),
        (f"{HF}/org/repo/tree/main", "hf://org/repo"),
        (f"{HF}/org/repo/tree/v1.0", "hf://org/repo@v1.0"),
        (f"{HF}/org/repo/blob/main/f.gguf", "hf://org/repo/f.gguf"),
        (f"{HF}/org/repo/resolve/main/Q8_0/f.gguf?download=true", "hf://org/repo/Q8_0/f.gguf"),
        (f"{HF}/org/repo/raw/main/two%20words.gguf", "hf://org/repo/two words.gguf"),
        (f"{HF}/org/repo/resolve/refs%2Fpr%2F1/f.gguf", "hf://org/repo@refs%2Fpr%2F1/f.gguf"),
        ("http://hf.co/org/repo", "hf://org/repo"),
        ("HTTPS://HuggingFace.co/org/repo", "hf://org/repo"),
        ("hf.co/org/repo", "hf://org/repo"),
        ("hf.co/org/repo:Q4_K_M", "hf://org/repo:Q4_K_M"),
        ("hf.co/org/repo/dir/f.gguf", "hf://org/repo/dir/f.gguf"),
        ("huggingface.co/org/repo/blob/main/f.gguf", "hf://org/repo/f.gguf"),
        (f"{MS}/org/repo", "ms://org/repo"),
        (f"{MS}/org/repo/summary", "ms://org/repo"),
        (f"{MS}/org/repo/files", "ms://org/repo"),
        (f"{MS}/org/repo/resolve/master/f.gguf", "ms://org/repo/f.gguf"),
        (f"{MS}/org/repo/file/view/master/d/f.gguf?status=2", "ms://org/repo/d/f.gguf"),
        (f"{MS}/org/repo/resolve/v2/f.gguf", "ms://org/repo@v2/f.gguf"),
        ("www.modelscope.cn/models/org/repo", "ms://org/repo"),
        ("https://ollama.com/library/smollm2", "ollama://library/smollm2"),
        ("https://ollama.com/library/smollm2:135m", "ollama://library/smollm2:135m"),
        ("ollama.com/me/granite", "ollama://me/granite"),
        ("registry.ollama.ai/library/smollm2", "ollama://library/smollm2"),
    ],
)
def test_an_address_of_a_hub_means_the_model_there(text: str, meant: str) -> None:
    assert hub_reference(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        "granite",
        "org/repo",
        "hf://org/repo",
        "oci://hf.co/org/repo",
        "https://example.com/org/repo",
        "https://huggingface.co.example.com/org/repo",
        "https://huggingface.co:8080/org/repo",
        HF,
        f"{HF}/org",
        f"{HF}/org/repo/discussions/1",
        f"{HF}/org/repo/blob/main",
        f"{HF}/org/repo/tree/main/dir",
        f"{HF}/datasets/org/repo",
        f"{HF}/api/models",
        f"{HF}/org/repo/resolve/main/f.gguf#sha256={HEX}",
        "https://modelscope.cn/datasets/org/repo",
        "https://modelscope.ai/models/org/repo",
        "https://ollama.com/library/smollm2/tags",
        "https://ollama.com/search?q=a/b",
        "https://registry.ollama.ai/v2/library/smollm2/blobs/sha256:0",
    ],
)
def test_any_other_address_is_left_as_it_is(text: str) -> None:
    assert hub_reference(text) is None


@pytest.mark.parametrize("text", [f"{HF}/o/r/blob/main/..%2F..%2Fx", f"{HF}/../x", "hf.co/../x"])
def test_what_an_address_hides_is_judged_where_names_are(text: str) -> None:
    with pytest.raises(InvalidReference):
        ModelRef.parse(text)
