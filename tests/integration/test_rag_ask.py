"""Questions whose answers are in documents: run, chat, serve and the library, with real models."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING, Final

import httpx2
import openai
import pytest

import ramalama
from ramalama import Config, Ramalama
from ramalama_engines import InvokingUser
from tests.doubles.made_index import HARBOUR, QUESTION, make_index
from tests.integration.cli import PROMPT, Cli, eventually, finish, saying
from tests.lab.assets import IMAGE

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

pytest_plugins = ["tests.integration.users"]
pytestmark = pytest.mark.engines

on_podman = pytest.mark.parametrize("cli", ["podman"], indirect=True)

SMALL: Final = ("--ctx-size=1024", "--temp=0")
LABEL: Final = "harbour.md p. 3 › Facts"
ANSWER: Final = "Ottoline Marsh [1]."
KEY: Final = "open-sesame"


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return make_index(tmp_path / "facts.db")


def test_an_answer_comes_with_the_sources_that_it_cites(cli: Cli, model: Path, index: Path) -> None:
    done = cli.run("run", *SMALL, f"--rag={index}", *saying(ANSWER), str(model), QUESTION)

    assert (done.code, done.out) == (0, f"{ANSWER}\n")
    assert f"Sources: [1] {LABEL}\n" in done.err
    assert "only words are searched" in done.err


@on_podman
def test_a_model_finds_the_answer_in_the_documents(cli: Cli, model: Path, index: Path) -> None:
    ask = (*SMALL, "--max-tokens=30", str(model), QUESTION)

    without = cli.run("run", *ask)
    with_documents = cli.run("run", f"--rag={index}", *ask)

    assert "Ottoline" not in without.out
    assert "Ottoline" in with_documents.out


@on_podman
def test_quiet_names_no_sources_and_json_has_them_as_a_member(
    cli: Cli, model: Path, index: Path
) -> None:
    said = (*SMALL, f"--rag={index}", *saying(ANSWER))

    quiet = cli.run("run", "-q", *said, str(model), QUESTION)
    as_json = cli.run("run", "--json", *said, str(model), QUESTION)

    assert (quiet.out, quiet.err) == (f"{ANSWER}\n", "")
    assert json.loads(as_json.out)["sources"] == [
        {"number": 1, "label": LABEL, "uri": "docs/harbour.md"}
    ]
    assert "Sources" not in as_json.err


@on_podman
def test_a_question_that_the_documents_do_not_answer_is_answered_as_without_them(
    cli: Cli, model: Path, index: Path
) -> None:
    ask = (*SMALL, "--max-tokens=12", "--seed=1", str(model), "Say hello to my grandmother!")

    without = cli.run("run", *ask)
    with_documents = cli.run("run", f"--rag={index}", *ask)

    assert with_documents.out == without.out
    assert "Sources" not in with_documents.err


@on_podman
def test_the_prompt_loop_keeps_questions_and_shows_what_was_found(
    cli: Cli, model: Path, index: Path
) -> None:
    words = (*SMALL, f"--rag={index}", *saying(ANSWER), str(model))
    with cli.prompt_loop(*words) as child:
        child.sendline(QUESTION)
        child.expect_exact(f"Sources: [1] {LABEL}")
        child.expect_exact(PROMPT)
        child.sendline("/rag")
        child.expect_exact("She opens the locks at six in the morning.")
        child.sendline("/rag off")
        child.expect_exact("Searching the documents is off.")
        child.sendline("/retry")
        child.expect_exact(ANSWER)
        child.expect_exact(PROMPT)
        child.sendline("/rag on")
        child.sendline(f"/save {cli.home / 'saved'}")
        child.expect_exact("Saved to")
        child.expect_exact(PROMPT)

    saved = json.loads((cli.home / "saved").read_text())
    assert [each["prompt"] for each in saved["exchanges"]] == [QUESTION]


@on_podman
def test_a_server_that_runs_is_asked_with_documents(cli: Cli, model: Path, index: Path) -> None:
    with cli.start("serve", *SMALL, *saying(ANSWER), str(model)) as process:
        assert process.stderr is not None
        url = process.stderr.readline().split()[-1]
        done = cli.run("chat", f"--url={url}", f"--rag={index}", QUESTION)
        process.send_signal(signal.SIGINT)
        finish(process)

    assert done.out == f"{ANSWER}\n"
    assert f"Sources: [1] {LABEL}\n" in done.err


@on_podman
def test_a_session_of_the_library_searches_the_documents(
    cli: Cli, model: Path, index: Path
) -> None:
    user = InvokingUser(env=cli.env, home=cli.home, uid=os.getuid())
    with (
        Ramalama(Config(image=IMAGE, ngl=0), user=user) as handle,
        ramalama.serve(model, using=handle, ctx_size=1024, temp=0.0, rag=index) as server,
    ):
        session = server.chat()
        session.parameters["max_tokens"] = 30
        answer = "".join(session.ask(QUESTION))

    assert "Ottoline" in answer
    assert session.finding is not None
    assert session.finding.sources[0].label == LABEL
    assert session.conversation.exchanges[0].prompt == QUESTION


def test_documents_that_do_not_exist_start_nothing(cli: Cli, model: Path) -> None:
    cli = cli.at("unix:///nonexistent")

    missing = cli.run("run", "--rag=./nothing.db", str(model), "Hi")

    assert missing.code == 2
    assert missing.complaint == "there is no file or directory ./nothing.db"


@on_podman
def test_a_dry_run_reads_no_documents(cli: Cli, model: Path) -> None:
    with_documents = cli.run("run", "--dryrun", "--name=a", "--rag=./nothing.db", str(model), "Hi")
    without = cli.run("run", "--dryrun", "--name=a", str(model), "Hi")

    def line(text: str) -> str:
        return re.sub(r"[0-9a-f]{8}-[0-9]+-[0-9]+-[0-9a-f]{8}|plan=\w+", "", text)

    assert with_documents.code == 0
    assert line(with_documents.out) == line(without.out)


class Endpoint:
    """What `serve` says of its endpoint."""

    def __init__(self, process: subprocess.Popen[str], *, has_key: bool) -> None:
        assert process.stderr is not None
        self.said = ""
        while " is served at " not in self.said:
            self.said = process.stderr.readline()
            assert self.said
        self.url = self.said.split(" is served at ")[1].split(",")[0]
        self.key_file = process.stderr.readline().split()[-1] if has_key else ""

    def client(self, key: str | None = None) -> httpx2.Client:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        if self.url.startswith("unix://"):
            transport = httpx2.HTTPTransport(uds=self.url.removeprefix("unix://"))
            return httpx2.Client(transport=transport, base_url="http://x/v1")
        return httpx2.Client(base_url=self.url, headers=headers)


MESSAGES: Final[list[ChatCompletionMessageParam]] = [{"role": "user", "content": QUESTION}]
BODY: Final = {"model": "smollm2", "messages": MESSAGES}


def test_any_client_of_the_endpoint_gets_what_the_documents_say(
    cli: Cli, model: Path, index: Path
) -> None:
    with cli.start("serve", *SMALL, f"--rag={index}", *saying(ANSWER), str(model)) as process:
        endpoint = Endpoint(process, has_key=False)
        with endpoint.client() as client:
            answer = client.post("/chat/completions", json=BODY)
            models = client.get("/models")
        network = cli.containers()[0]["HostConfig"]["NetworkMode"]
        process.send_signal(signal.SIGINT)
        done = finish(process)

    message = answer.json()["choices"][0]["message"]
    assert message["content"] == ANSWER
    assert message["annotations"][0]["file_citation"]["file_id"] == "docs/harbour.md"
    assert json.loads(answer.headers["x-ramalama-sources"])[0] == LABEL
    assert models.status_code == 200
    assert network == "none"
    assert done.code == 130
    assert cli.containers() == []
    assert cli.files() == []


@pytest.fixture
def published(cli: Cli, model: Path, index: Path) -> Generator[tuple[str, str]]:
    """The URL and key of an endpoint on a port, before a model that says what it finds."""
    words = ("--host=127.0.0.1", f"--rag={index}")
    with cli.start("serve", *SMALL, *words, str(model)) as process:
        endpoint = Endpoint(process, has_key=True)
        with open(endpoint.key_file, encoding="ascii") as file:  # noqa: PTH123
            key = file.read().strip()
        yield endpoint.url, key
        process.send_signal(signal.SIGTERM)
        assert finish(process).code == 143


@on_podman
def test_openais_client_asks_over_a_port(published: tuple[str, str]) -> None:
    url, key = published
    tool: ChatCompletionToolParam = {
        "type": "function",
        "function": {"name": "f", "parameters": {"type": "object"}},
    }
    with openai.OpenAI(base_url=url, api_key=key, max_retries=0) as client:
        whole = client.chat.completions.with_raw_response.create(
            model="smollm2",
            messages=MESSAGES,
            max_tokens=30,
            temperature=0,
            logprobs=True,
            seed=7,
        )
        stream = client.chat.completions.create(
            model="smollm2",
            messages=MESSAGES,
            max_tokens=30,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
            tools=[tool],
            tool_choice="none",
        )
        with stream:
            events = list(stream)
        with pytest.raises(openai.BadRequestError):
            client.post("/chat/completions", body={}, cast_to=object)

    answer = whole.parse()
    assert "Ottoline" in (answer.choices[0].message.content or "")
    assert answer.choices[0].logprobs is not None
    assert json.loads(whole.headers["x-ramalama-sources"])[0] == LABEL
    text = "".join(each.choices[0].delta.content or "" for each in events if each.choices)
    assert "Ottoline" in text
    assert events[-1].usage is not None
    with (
        openai.OpenAI(base_url=url, api_key="wrong", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError),
    ):
        stranger.models.list()


@on_podman
def test_openais_asynchronous_client_asks_over_a_port(published: tuple[str, str]) -> None:
    url, key = published

    async def ask() -> tuple[str, str]:
        async with openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0) as client:
            asked = [
                client.chat.completions.create(
                    model="smollm2",
                    messages=MESSAGES,
                    max_tokens=30,
                    temperature=0,
                )
                for _ in range(2)
            ]
            first, second = await asyncio.gather(*asked)
        texts = [each.choices[0].message.content or "" for each in (first, second)]
        return texts[0], texts[1]

    assert all("Ottoline" in text for text in asyncio.run(ask()))


@on_podman
@pytest.mark.programs("curl")
def test_curl_asks_over_a_port(published: tuple[str, str]) -> None:
    url, key = published
    body = json.dumps({**BODY, "max_tokens": 30, "temperature": 0, "stream": True})
    command = ["curl", "-sS", "-i", "-N", f"{url}/chat/completions", "-d", body]

    done = subprocess.run(
        [*command, "-H", f"Authorization: Bearer {key}"], capture_output=True, text=True, check=True
    )
    refused = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout.startswith("HTTP/1.1 200 OK")
    assert "X-RamaLama-Sources: [" in done.stdout
    assert done.stdout.rstrip().endswith("data: [DONE]")
    assert refused.stdout.startswith("HTTP/1.1 401 Unauthorized")


def test_in_the_background_the_endpoint_ends_with_the_server(
    cli: Cli, model: Path, index: Path
) -> None:
    words = (*SMALL, "--name=stays", f"--rag={index}", *saying(ANSWER), str(model))
    started = cli.run("serve", "-d", *words)
    url = started.err.split(" is served at ")[1].split(",")[0]
    transport = httpx2.HTTPTransport(uds=url.removeprefix("unix://"))
    with httpx2.Client(transport=transport, base_url="http://x/v1") as client:
        answer = client.post("/chat/completions", json=BODY).json()
    stopped = cli.run("stop", "stays")

    assert (started.code, started.out) == (0, "stays\n")
    assert answer["choices"][0]["message"]["annotations"]
    assert stopped.code == 0
    assert cli.containers() == []
    eventually(lambda: not cli.files())


@on_podman
def test_the_next_command_removes_all_if_the_background_process_was_killed(
    cli: Cli, model: Path, index: Path
) -> None:
    started = cli.run("serve", "-d", *SMALL, "--port=18231", f"--rag={index}", str(model))
    directory = started.err.split("its API key is in ")[1].strip().rpartition("/")[0]
    pid = int(directory.rpartition("/")[2].split("-")[1])
    assert "127.0.0.1:18231" in cli.run("ps").out
    os.kill(pid, signal.SIGKILL)

    cli.run("ps")

    assert started.code == 0
    eventually(lambda: cli.run("ps", "-q").code == 0 and not cli.containers())
    assert cli.files() == []


@on_podman
def test_what_makes_no_sense_with_documents_is_refused(cli: Cli, model: Path, index: Path) -> None:
    done = cli.run("serve", f"--rag={index}", "--network=bridge", str(model))

    assert done.code == 22
    assert "with --rag the server has no network" in done.complaint


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    directory = tmp_path / "docs"
    directory.mkdir()
    for uri, text in HARBOUR.items():
        (directory / uri.removeprefix("docs/")).write_text(f"# Facts\n\n{text}\n")
    return directory


@on_podman
def test_a_directory_is_indexed_with_an_embedding_model_that_is_used_again(
    cli: Cli, model: Path, embedder: Path, docs: Path
) -> None:
    env = {"RAMALAMA_EMBEDDING_MODEL": str(embedder)}
    ask = ("run", *SMALL, f"--rag={docs}", *saying(ANSWER), str(model))

    first = cli.run(*ask, "Which person looks after the ships of Quexburgh?", env=env)
    embedders = [each["Id"] for each in cli.containers()]
    again = cli.run(*ask, "Which person looks after the ships of Quexburgh?", env=env)

    assert (first.code, again.code) == (0, 0), first.err
    assert "Indexing 3 documents" in first.err
    assert "› Facts\n" in first.err
    assert "› Facts\n" in again.err
    assert "only words" not in first.err + again.err
    assert len(embedders) == 1
    assert [each["Id"] for each in cli.containers()] == embedders
    cli.run("stop", cli.containers()[0]["Name"].removeprefix("/"))


@on_podman
def test_words_are_searched_if_the_embedding_model_cannot_be_had(
    cli: Cli, model: Path, embedder: Path, docs: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "minilm.gguf"
    copy.write_bytes(embedder.read_bytes())
    ask = (*SMALL, *saying(ANSWER), str(model), QUESTION)
    made = cli.run("run", f"--rag={docs}", *ask, env={"RAMALAMA_EMBEDDING_MODEL": str(copy)})
    for each in cli.containers():
        cli.run("stop", each["Name"].removeprefix("/"))
    (kept,) = (cli.home / ".cache/ramalama/rag").glob("*.db")
    copy.unlink()

    done = cli.run("run", f"--rag={kept}", *ask)

    assert made.code == 0, made.err
    assert (done.code, done.out) == (0, f"{ANSWER}\n")
    assert done.err.count("only words are searched, not meanings") == 1
    assert "Sources: [1]" in done.err


@on_podman
def test_documents_in_an_image_are_searched(cli: Cli, model: Path, docs: Path) -> None:
    image = "localhost/facts:1"
    made = cli.run("rag", "--embedding-model=none", str(docs), image)

    done = cli.run("run", *SMALL, f"--rag={image}", *saying(ANSWER), str(model), QUESTION)
    missing = cli.run("run", "--rag=localhost/nothing:1", "--pull=never", str(model), QUESTION)
    cli.engine("rmi", image)

    assert made.code == 0, made.err
    assert (done.code, done.out) == (0, f"{ANSWER}\n"), done.err
    assert "Sources: [1] " in done.err
    assert missing.code == 2
    assert "no file or directory here, and no image with an index" in missing.complaint
    assert missing.complaint.endswith("./localhost/nothing:1 is always a path")


@on_podman
def test_in_the_background_all_ends_some_time_after_the_last_request(
    cli: Cli, model: Path, index: Path
) -> None:
    words = (*SMALL, "--keep-alive=2", f"--rag={index}", str(model))
    started = cli.run("serve", "-d", *words)

    assert started.code == 0
    assert len(cli.containers()) == 1
    eventually(lambda: not cli.containers())
    eventually(lambda: not cli.files())
