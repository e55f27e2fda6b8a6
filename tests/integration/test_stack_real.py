"""`--api llama-stack` with Llama Stack (OGX) itself, and clients that others wrote."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

import httpx2
import openai
import pytest

from tests.integration.cli import ROOTFUL, Cli, saying, user_of
from tests.lab import llama_stack
from tests.lab.pypi import Installation, install

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from tests.lab.service import EngineService

# The image takes minutes to make, once.
pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1800)]

STACK: Final = ("--api=ogx", "--ctx-size=1024", "--temp=0")
LIMIT: Final = 500_000_000  # bytes
PATIENCE: Final = 120.0
CLIENT: Final = "ogx-client==1.1.3"

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


def names_of(client: openai.OpenAI) -> Sequence[str]:
    return [each.id for each in client.models.list()]


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
    with cli.start("serve", *STACK, "--name=real", *saying("Yes."), str(model)) as process:
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
