"""An embeddings server: started by the command and the library, asked by clients of others."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.integration.cli import Cli, finish
from tests.integration.test_serve import free_port, until_served
from tests.lab.minilm import SHA256

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytest_plugins = ["tests.integration.users"]
pytestmark = pytest.mark.engines

KEY = "open-sesame"
PARAPHRASE = ("How do I look for a word in files?", "Search text with a pattern", "A red apple")


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    lengths = math.hypot(*one) * math.hypot(*other)
    return sum(x * y for x, y in zip(one, other, strict=True)) / lengths


def test_any_client_of_the_api_gets_vectors_of_texts_up_to_the_models_length(
    cli: Cli, embedder: Path
) -> None:
    port = free_port()
    words = ("serve", "--embeddings", f"--port={port}", f"--api-key={KEY}", str(embedder))
    with cli.start(*words) as process:
        said = until_served(process)
        longest = " ".join(["word"] * 510)  # with the two tokens at its ends, 512
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/v1/embeddings",
            json.dumps({"input": [*PARAPHRASE, longest], "model": "minilm"}).encode(),
            {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310 (see above)
            data = json.load(answer)["data"]
        process.send_signal(signal.SIGINT)
        finish(process)

    vectors = [each["embedding"] for each in data]
    assert said.startswith("minilm is served at http://127.0.0.1:")
    assert [len(each) for each in vectors] == [384] * 4
    assert cosine(vectors[0], vectors[1]) > 0.4
    assert cosine(vectors[0], vectors[2]) < 0.2


def test_a_chat_model_makes_no_embeddings_unless_it_is_forced_to(cli: Cli, model: Path) -> None:
    refused = cli.run("serve", "--embeddings", str(model))
    forced = cli.run("serve", "--embeddings", "--force", "--ctx-size=256", "-d", "-q", str(model))
    with cli.server() as client:
        answer = client.post("/v1/embeddings", json={"input": "a text", "model": "any"})
    cli.run("stop", forced.out.strip())

    assert refused.code == 22
    assert "is a chat model: its embeddings find less than a search for words" in refused.complaint
    assert len(answer.json()["data"][0]["embedding"]) == 576


def test_an_embedding_model_does_not_chat_and_the_message_says_what_it_is_for(
    cli: Cli, embedder: Path
) -> None:
    for command in (("run", str(embedder), "hello"), ("serve", str(embedder))):
        refused = cli.run(*command)

        assert refused.code == 22
        assert f"serve it with `ramalama serve --embeddings file://{embedder}`" in refused.complaint
    assert cli.containers() == []


def test_a_dry_run_shows_the_batch_that_holds_the_longest_text(cli: Cli, embedder: Path) -> None:
    shown = cli.run("serve", "--dryrun", "--embeddings", str(embedder)).out

    assert "--embeddings --ctx-size 512 --batch-size 512 --ubatch-size 512" in shown


def test_the_embedder_of_the_library_counts_embeds_and_shares_its_server(
    cli: Cli, embedder: Path
) -> None:
    script = """
import json, sys, ramalama
with ramalama.Ramalama() as handle:
    with handle.embedder(sys.argv[1]) as embedder:
        texts = ["one two three", "", "word " * 600, *map(str, range(40))]
        print(json.dumps({
            "dimension": embedder.info.dimension,
            "digest": embedder.info.digest,
            "limit": embedder.limit,
            "counts": embedder.count(texts)[:3],
            "vectors": [vector is not None for vector in embedder.embed(texts)],
            "question": len(embedder.embed_question("word " * 5000)),
        }))
    (server,) = handle.servers()
    with handle.embedder(sys.argv[1]):
        assert [server.id] == [each.id for each in handle.servers()]
    handle.stop(server.name)
"""
    done = subprocess.run(
        [*cli.command()[:-1], sys.executable, "-c", script, str(embedder)],
        env=cli.env,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    assert json.loads(done.stdout) == {
        "dimension": 384,
        "digest": f"sha256:{SHA256}",
        "limit": 506,
        "counts": [3, 0, 600],
        "vectors": [True, True, False, *[True] * 40],
        "question": 384,
    }
    assert cli.containers() == []


def test_without_the_default_model_there_is_no_embedder_and_a_notice_says_so(cli: Cli) -> None:
    script = """
import ramalama
with ramalama.Ramalama() as handle, handle.embedder(on_event=print) as embedder:
    assert embedder is None
"""
    done = subprocess.run(
        [*cli.command()[:-1], sys.executable, "-c", script],
        env={**cli.env, "HTTPS_PROXY": "http://127.0.0.1:1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "ollama://nomic-embed-text cannot be used, so only words are searched" in done.stdout
    assert done.stderr == ""


def test_a_server_of_embeddings_is_shared_and_is_not_one_of_chats(cli: Cli, embedder: Path) -> None:
    script = """
import sys, ramalama
with ramalama.Ramalama() as handle:
    with (
        ramalama.serve(sys.argv[1], using=handle, embeddings=True, reuse=True) as first,
        ramalama.serve(sys.argv[1], using=handle, embeddings=True, reuse=True) as second,
        ramalama.serve(sys.argv[1], using=handle, force=True, reuse=True) as chat,
    ):
        assert first.name == second.name != chat.name
        answer = second.client().embeddings.create(model=second.model, input=["a", "b"])
        print([len(each.embedding) for each in answer.data])
"""
    done = subprocess.run(
        [*cli.command()[:-1], sys.executable, "-c", script, str(embedder)],
        env=cli.env,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == "[384, 384]\n", done.stderr
    assert cli.containers() == []
