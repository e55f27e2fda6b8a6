"""`--api llama-stack` with Llama Stack (OGX) itself, and clients that others wrote."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx2
import openai
import pytest

from ramalama.system.ports import free_port
from tests.integration.cli import ROOTFUL, Cli, saying, user_of
from tests.lab import llama_stack
from tests.lab.pypi import Installation, install

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from openai.types import VectorStore
    from openai.types.responses import FileSearchToolParam

    from tests.lab.service import EngineService

# The image takes minutes to make, once.
pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1800)]

STACK: Final = ("--api=ogx", "--ctx-size=1024", "--temp=0")
LIMIT: Final = 500_000_000  # bytes
PATIENCE: Final = 120.0
CLIENT: Final = "ogx-client==1.1.3"

TEMPLATE: Final = Path(__file__).with_name("searching.jinja")
DOCUMENTS: Final = {
    "cats.md": "# Cats\n\nA kitten purrs when it is content.\n",
    "harbour.md": "# Harbour\n\nThe gate closes at nine in the evening.\n",
}
BOATS: Final = b"# Boats\n\nAda has a ship with three masts.\n"

# Its own client, which is made from its own description of the API.
SCRIPT: Final = """\
import sys
from ogx_client import OgxClient

url, key = sys.argv[1:]
client = OgxClient(base_url=url, api_key=key)
(model,) = [each.id for each in client.models.list().data if "/" not in each.id]
answer = client.responses.create(model=model, input="Say it.", max_output_tokens=16)
print(answer.output_text)
print("".join(
    event.delta
    for event in client.responses.create(model=model, input="Say it.", stream=True)
    if event.type == "response.output_text.delta"
))
"""


@pytest.fixture(scope="module", params=ROOTFUL)
def service(request: pytest.FixtureRequest) -> EngineService:
    """Each rootful engine, with the image."""
    found: EngineService = request.getfixturevalue(f"{request.param}_service")
    llama_stack.ensure_image(found)
    return found


@pytest.fixture
def cli(service: EngineService, lab: Path) -> Generator[Cli]:
    """A user of the engine."""
    with user_of(service, lab) as user:
        yield user


@pytest.fixture(scope="module")
def ogx_client(lab: Path) -> Installation:
    """OGX's own client, apart from what we have installed."""
    return install(lab / "ogx-client", CLIENT)


@pytest.fixture
def served(cli: Cli, model: Path) -> Generator[openai.OpenAI]:
    """A client of openai for a stack on a port, whose model says one thing only."""
    key, words = "sesame", saying("The sky is blue.")
    started = (*STACK, "--network=bridge", f"--api-key={key}", "--name=real", *words, str(model))
    done = cli.run("serve", "-d", *started)
    assert done.code == 0, done.err
    (record,) = json.loads(cli.run("ps", "--json").out)
    with openai.OpenAI(base_url=f"http://{record['address']}/v1", api_key=key) as client:
        yield client
    assert cli.run("stop", "real").code == 0


@pytest.fixture
def searching(cli: Cli, model: Path, embedder: Path) -> Generator[openai.OpenAI]:
    """A client of openai for a stack with vector stores, whose model searches them when asked.

    One of them has the documents of `serve --rag`.
    """
    key, port, documents = "sesame", free_port(), cli.home / "docs"
    documents.mkdir()
    for name, text in DOCUMENTS.items():
        (documents / name).write_text(text)
    template = shlex.quote(TEMPLATE.read_text(encoding="utf-8"))
    words = ("--api=ogx", "--ctx-size=4096", f"--runtime-args=--chat-template {template}")
    listen = (f"--port={port}", f"--api-key={key}", f"--rag={documents}")
    env = {"RAMALAMA_EMBEDDING_MODEL": str(embedder)}
    done = cli.run("serve", "-d", *words, *listen, "--name=real", str(model), env=env)
    assert done.code == 0, done.err
    with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=key) as client:
        yield client
    assert cli.run("stop", "--all").code == 0


def names_of(client: openai.OpenAI) -> Sequence[str]:
    return [each.id for each in client.models.list()]


def documents_in(client: openai.OpenAI) -> VectorStore:
    (store,) = [each for each in client.vector_stores.list() if each.name == "docs"]
    return store


def test_the_image_is_smaller_than_half_a_gigabyte(service: EngineService) -> None:
    with service.client() as client:
        answer = client.get(f"/images/{llama_stack.IMAGE}/json").raise_for_status()

    assert answer.json()["Size"] < LIMIT


def test_a_question_is_answered_through_the_stack(cli: Cli, model: Path) -> None:
    done = cli.run("run", *STACK, *saying("Yes."), str(model), "Are you there?")

    assert (done.code, done.out) == (0, "Yes.\n"), done.err


def test_openai_speaks_of_responses_with_it(served: openai.OpenAI) -> None:
    (model, _) = names_of(served)
    assert model == "smollm2"

    answer = served.responses.create(model=model, input="Which colour has the sky?")
    assert answer.output_text == "The sky is blue."

    again = served.responses.create(
        model=model, input="And now?", previous_response_id=answer.id, stream=True
    )
    deltas = [event.delta for event in again if event.type == "response.output_text.delta"]
    assert "".join(deltas) == "The sky is blue."
    assert len(deltas) > 1
    assert served.responses.retrieve(answer.id).output_text == answer.output_text


def test_openai_chats_with_it(served: openai.OpenAI) -> None:
    (model, _) = names_of(served)
    question = "Which colour has the sky?"

    answer = served.chat.completions.create(
        model=model, messages=[{"role": "user", "content": question}]
    )
    pieces = served.chat.completions.create(
        model=model, messages=[{"role": "user", "content": question}], stream=True
    )

    assert answer.choices[0].message.content == "The sky is blue."
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    assert text == "The sky is blue."


def test_files_are_kept_as_long_as_the_server(served: openai.OpenAI) -> None:
    sent = served.files.create(file=("notes.txt", b"a note"), purpose="assistants")

    assert served.files.content(sent.id).read() == b"a note"
    assert [each.filename for each in served.files.list()] == ["notes.txt"]


def test_openai_keeps_files_in_a_vector_store_and_finds_what_they_say(
    searching: openai.OpenAI,
) -> None:
    short = searching.files.create(file=("boats.md", BOATS), purpose="assistants")
    long = searching.files.create(
        file=("long.txt", b"It rains at sea. " * 900), purpose="assistants"
    )

    store = searching.vector_stores.create(name="mine", file_ids=[short.id])
    # Longer than the embedding model takes: the stack splits it, whatever the way there is.
    added = searching.vector_stores.files.create_and_poll(long.id, vector_store_id=store.id)
    found = searching.vector_stores.search(store.id, query="Who owns a vessel?", max_num_results=1)

    assert (added.status, added.last_error) == ("completed", None)
    assert searching.vector_stores.retrieve(store.id).file_counts.completed == 2
    assert [each.filename for each in found.data] == ["boats.md"]
    assert "Ada" in found.data[0].content[0].text


def test_the_documents_of_rag_are_a_vector_store_with_the_vectors_of_the_index(
    searching: openai.OpenAI,
) -> None:
    store = documents_in(searching)
    found = searching.vector_stores.search(store.id, query="At what time is the entrance shut?")

    assert [each.filename for each in found.data][:1] == ["harbour.md"]
    assert "nine in the evening" in found.data[0].content[0].text


def test_the_model_searches_the_documents_and_cites_them(searching: openai.OpenAI) -> None:
    store = documents_in(searching)
    tool: FileSearchToolParam = {"type": "file_search", "vector_store_ids": [store.id]}

    answer = searching.responses.create(
        model=names_of(searching)[0],
        input="When does the gate close?",
        tools=[tool],
        include=["file_search_call.results"],
        max_output_tokens=200,
        temperature=0,
    )

    call = next(each for each in answer.output if each.type == "file_search_call")
    assert call.results is not None
    assert "nine in the evening" in (call.results[0].text or "")
    (text,) = (each for each in answer.output if each.type == "message")
    assert '"filename":"harbour.md"' in text.model_dump_json()


def test_a_chat_finds_the_documents_as_it_does_without_the_stack(
    searching: openai.OpenAI,
) -> None:
    question = "When does the gate close?"

    answer = searching.chat.completions.with_raw_response.create(
        model=names_of(searching)[0],
        messages=[{"role": "user", "content": question}],
        max_tokens=40,
        temperature=0,
    )

    assert "harbour.md" in answer.headers["x-ramalama-sources"]
    assert "nine" in (answer.parse().choices[0].message.content or "")


def test_documents_without_vectors_are_embedded_by_the_stack(
    cli: Cli, model: Path, embedder: Path
) -> None:
    (cli.home / "harbour.md").write_text(DOCUMENTS["harbour.md"])
    words = str(cli.home / "words.db")
    cli.run("rag", "--embedding-model=none", str(cli.home / "harbour.md"), words)
    env = {"RAMALAMA_EMBEDDING_MODEL": str(embedder)}
    options = (*STACK, f"--rag={words}", "--name=real")

    with cli.start("serve", *options, str(model), env=env) as process:
        assert process.stderr is not None
        told = iter(process.stderr.readline, "")
        assert any("the stack embeds 1 chunks of words" in line for line in told)
        address = next(line for line in told if "is served at unix://" in line)
        socket = address.split("unix://")[1].split(",")[0]
        with httpx2.Client(
            transport=httpx2.HTTPTransport(uds=socket), base_url="http://stack"
        ) as client:
            (store,) = client.get("/v1/vector_stores").json()["data"]
            asked = {"query": "At what time is the entrance shut?"}
            found = client.post(f"/v1/vector_stores/{store['id']}/search", json=asked).json()
        assert store["name"] == "words"
        assert found["data"][0]["filename"] == "harbour.md"


def test_a_question_with_documents_is_answered_through_the_stack(
    cli: Cli, model: Path, embedder: Path
) -> None:
    (cli.home / "harbour.md").write_text(DOCUMENTS["harbour.md"])
    env = {"RAMALAMA_EMBEDDING_MODEL": str(embedder)}

    done = cli.run(
        *(
            "run",
            "--api=ogx",
            "--temp=0",
            "--max-tokens=40",
            f"--rag={cli.home / 'harbour.md'}",
            str(model),
        ),
        "When does the gate close?",
        env=env,
    )
    cli.run("stop", "--all")

    assert done.code == 0, done.err
    assert "nine" in done.out


def test_its_own_client_speaks_with_it(served: openai.OpenAI, ogx_client: Installation) -> None:
    url = str(served.base_url).removesuffix("/v1/")

    out = ogx_client.run(SCRIPT, url, served.api_key, env={})

    assert out == "The sky is blue.\n" * 2


def test_without_the_key_nothing_but_the_health_is_told(served: openai.OpenAI) -> None:
    address = str(served.base_url)

    for path in ("models", "files", "vector_stores", "providers", "inspect/routes"):
        assert httpx2.get(f"{address}{path}").status_code == 401
        wrong = {"Authorization": "Bearer wrong"}
        assert httpx2.get(f"{address}{path}", headers=wrong).status_code == 401
    assert httpx2.get(f"{address}health").status_code == 200


def test_a_stack_without_a_network_asks_no_hub(cli: Cli, model: Path) -> None:
    words = (*STACK, "--name=real", *saying("Yes."), str(model))
    with cli.start("serve", *words, env={"RAMALAMA_EMBEDDING_MODEL": "none"}) as process:
        assert process.stderr is not None
        assert "is served at unix://" in process.stderr.readline()
        with cli.server() as client:
            names = [each["id"] for each in client.get("/v1/models").json()["data"]]
            assert names == ["smollm2", "llama-cpp-server/smollm2"]
        log = cli.run("logs", "real-stack").out
    assert not re.search(r"huggingface\.co|openaipublic|telemetry.*(export|enabled)", log)


def test_the_stack_ends_when_its_model_server_has_ended(cli: Cli, model: Path) -> None:
    cli.run("serve", "-d", *STACK, "--name=real", str(model))

    cli.engine("kill", "real")

    assert cli.engine("wait", "real-stack") in ("0", "143")
    assert "has ended" in cli.run("logs", "real-stack").out
    cli.run("stop", "real")
