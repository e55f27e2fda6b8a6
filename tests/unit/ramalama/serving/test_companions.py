"""A server and the container beside it: they begin, are found and end together."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ramalama.config.api_name import ApiName
from ramalama.errors import EngineFailure, ServerExited, ServerNotReady
from ramalama.events import Notice
from ramalama.serving.cleanup import remove_orphaned
from ramalama.serving.companions import explain, listens
from ramalama.system.process_identity import ProcessIdentity
from ramalama_engines import ContainerStartError, LocalImage
from ramalama_engines.fake.engine import FakeProgram
from tests.unit.ramalama.made_up import IMAGE
from tests.unit.ramalama.models.formats.made_gguf import llama, scalar, string
from tests.unit.ramalama.serving.servers import IMAGE_NAME, ServerFixture

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

STACK_NAME = "quay.io/ramalama/llama-stack:0.25"
DEAD = replace(ProcessIdentity.of_this_process(), start=1)


@pytest.fixture
def servers(run_dir: Path) -> Generator[ServerFixture]:
    images = {IMAGE_NAME: IMAGE, STACK_NAME: LocalImage(id="sha256:2")}
    with ServerFixture(root=run_dir, images=images) as made:
        made.options = replace(made.options, api=ApiName.LLAMA_STACK)
        yield made


@pytest.fixture
def embedding(servers: ServerFixture) -> ServerFixture:
    """The same, and the settings name an embedding model, which is on this machine."""
    model = servers.root / "embedder.gguf"
    model.write_bytes(
        llama(architecture="bert", context=512, width=384, instead={"pooling_type": scalar(4, 1)})
    )
    servers.config = replace(servers.config, embedding_model=str(model))
    return servers


def names(servers: ServerFixture) -> list[str]:
    return [state.name for state in servers.engine.list({})]


def test_a_server_and_its_stack_begin_and_end_together(servers: ServerFixture) -> None:
    with servers.ramalama().serve(servers.options) as server:
        main, stack = servers.engine.list({})
        assert (main.name, stack.name) == (server.name, f"{server.name}-stack")
        assert servers.engine.inspect(stack.id).network == f"container:{main.id}"
        assert server.running

    assert servers.is_clean()


def test_the_stack_is_no_server_of_its_own(servers: ServerFixture) -> None:
    ramalama = servers.ramalama()
    with ramalama.serve(servers.options) as server:
        assert [state.name for state in ramalama.servers()] == [server.name]
        with pytest.raises(EngineFailure):
            ramalama.stop(f"{server.name}-stack")


def test_both_logs_can_be_read(servers: ServerFixture) -> None:
    ramalama = servers.ramalama()
    with ramalama.serve(servers.options) as server:
        stack = servers.engine.list({})[1]
        servers.engine.write(stack.id, "a word of the stack")

        assert "a word of the stack" in list(ramalama.logs(stack.name))
        assert "a word of the stack" not in list(ramalama.logs(server.name))


def test_the_memory_of_both_counts(servers: ServerFixture) -> None:
    ramalama = servers.ramalama()
    with ramalama.serve(servers.options):
        (state,) = ramalama.servers()

        assert ramalama.memory(state) == 2 << 20


def test_stopping_the_server_stops_its_stack(servers: ServerFixture) -> None:
    ramalama = servers.ramalama()
    server = ramalama.start(servers.options)
    server.detach()
    server.close()
    assert len(names(servers)) == 2

    ramalama.stop(server.name)

    assert servers.is_clean()


def test_a_shared_pair_is_used_again_and_goes_with_its_last_user(servers: ServerFixture) -> None:
    first = servers.ramalama().start(servers.options, reuse=True)
    second = servers.ramalama().start(servers.options, reuse=True)
    assert second.container == first.container

    first.close()
    assert len(names(servers)) == 2
    second.close()
    assert servers.is_clean()


def test_a_server_without_the_stack_is_another_one(servers: ServerFixture) -> None:
    with (
        servers.ramalama().serve(servers.options, reuse=True) as one,
        servers.ramalama().serve(replace(servers.options, api="none"), reuse=True) as other,
    ):
        assert one.container != other.container


def test_a_pair_is_found_by_its_name(servers: ServerFixture) -> None:
    server = servers.ramalama().start(servers.options)
    server.detach()
    server.close()

    attached = servers.ramalama().attach(server.name)

    assert attached.plan.server.health_path == "/v1/health"
    assert attached.running
    servers.engine.end(f"{server.name}-stack", 1)
    assert (ended := attached.why_ended()) is not None
    assert "the stack of" in str(ended)
    servers.ramalama().stop(server.name)


@pytest.mark.parametrize("reuse", [False, True])
def test_a_stack_that_dies_is_named_with_its_last_words(
    servers: ServerFixture, *, reuse: bool
) -> None:
    servers.beside = FakeProgram(logs=("ModuleNotFoundError: No module named 'x'",), exit_code=1)

    with pytest.raises(ServerExited, match=r"the stack of .* ended \(exit code 1\)") as caught:
        servers.ramalama().start(servers.options, reuse=reuse)

    assert "No module named 'x'" in str(caught.value)
    assert caught.value.log_tail == ("ModuleNotFoundError: No module named 'x'",)
    assert caught.value.hint is not None
    assert "--stack-image" in caught.value.hint
    assert servers.is_clean()


def test_a_server_that_dies_is_not_mistaken_for_its_stack(servers: ServerFixture) -> None:
    servers.program = FakeProgram(logs=("error: no such model",), exit_code=1)

    with pytest.raises(ServerExited, match=r"the llama.cpp server of .*no such model"):
        servers.ramalama().start(servers.options)

    assert servers.is_clean()


def test_an_image_that_cannot_be_started_is_named(servers: ServerFixture) -> None:
    error = ContainerStartError("no such program", engine="podman")
    servers.beside = FakeProgram(start_error=error)

    with pytest.raises(EngineFailure, match=f"image {STACK_NAME}, --api llama-stack"):
        servers.ramalama().start(servers.options)

    assert servers.is_clean()


def test_an_image_that_listens_elsewhere_is_told_after_a_while(servers: ServerFixture) -> None:
    servers.beside = FakeProgram(logs=("INFO: Uvicorn running on http://127.0.0.1:8321",))

    with pytest.raises(ServerNotReady, match=r"is quay.* an image for"):
        servers.ramalama().start(servers.options)

    assert servers.is_clean()


def test_the_image_of_the_stack_must_be_there(servers: ServerFixture) -> None:
    options = replace(servers.options, stack_image="quay.io/me/none:1", pull_policy="never")

    with pytest.raises(EngineFailure, match=r"quay.*none"):
        servers.ramalama().start(options)

    assert servers.is_clean()


def test_what_a_dead_process_left_is_removed_in_the_right_order(servers: ServerFixture) -> None:
    ramalama = servers.ramalama()
    plan = ramalama.plan(servers.options)
    dead = {"ai.ramalama.owner": DEAD.format()}
    server = replace(plan.container, labels={**plan.container.labels, **dead})
    main = servers.engine.create(server)
    servers.engine.start(main)
    beside = plan.companions[0]
    servers.engine.create(
        replace(beside, network=f"container:{main}", labels={**beside.labels, **dead})
    )

    assert remove_orphaned(servers.engine, servers.run_dir) == 2
    assert names(servers) == []


def test_a_stack_never_outlives_its_server(servers: ServerFixture) -> None:
    server = servers.ramalama().start(servers.options)
    server.detach()
    servers.engine.end(server.container, 1)

    assert remove_orphaned(servers.engine, servers.run_dir) == 1

    assert names(servers) == [server.name]
    server.close()
    servers.ramalama().stop(server.name)


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (
            "         ModuleNotFoundError: No module named 'x'",
            "ModuleNotFoundError: No module named 'x'",
        ),
        ("pydantic_core._pydantic_core.ValidationError: 1 error", "ValidationError: 1 error"),
        ("the model server at http://127.0.0.1:8080 has ended", "the model server at"),
        ("all is well", ""),
    ],
)
def test_the_log_of_a_stack_says_why_it_ended(line: str, cause: str) -> None:
    assert cause in explain(("x", line, "y"))
    assert bool(explain((line,))) == bool(cause)


def test_the_log_of_a_stack_says_that_it_listens() -> None:
    assert listens(("INFO  Uvicorn running on unix socket /run/ramalama/api.sock",))
    assert not listens(("INFO  Started server process [1]",))


def test_an_embeddings_server_begins_and_ends_with_the_two(embedding: ServerFixture) -> None:
    ramalama = embedding.ramalama()
    with ramalama.serve(embedding.options) as server:
        main = embedding.engine.list({})[0]
        beside = [f"{server.name}-embeddings", f"{server.name}-stack"]
        assert names(embedding) == [server.name, *beside]
        networks = {embedding.engine.inspect(name).network for name in beside}
        assert networks == {f"container:{main.id}"}
        assert [state.name for state in ramalama.servers()] == [server.name]
        assert ramalama.memory(main) == 3 << 20

    assert embedding.is_clean()


def test_all_three_are_stopped(embedding: ServerFixture) -> None:
    ramalama = embedding.ramalama()
    server = ramalama.start(embedding.options)
    server.detach()
    server.close()
    assert len(names(embedding)) == 3

    ramalama.stop(server.name)

    assert embedding.is_clean()


def test_all_three_are_used_again_and_go_with_their_last_user(embedding: ServerFixture) -> None:
    first = embedding.ramalama().start(embedding.options, reuse=True)
    second = embedding.ramalama().start(embedding.options, reuse=True)
    assert second.container == first.container

    first.close()
    assert len(names(embedding)) == 3
    second.close()
    assert embedding.is_clean()


def test_another_embedding_model_makes_another_server(embedding: ServerFixture) -> None:
    with embedding.ramalama().serve(embedding.options, reuse=True) as one:
        embedding.config = replace(embedding.config, embedding_model="none")
        with embedding.ramalama().serve(embedding.options, reuse=True) as other:
            assert one.container != other.container


def test_an_embeddings_server_that_dies_is_named_with_its_last_words(
    embedding: ServerFixture,
) -> None:
    embedding.embedder = FakeProgram(logs=("error: no such model",), exit_code=1)
    beside = r"the embeddings server beside the stack of .* ended \(exit code 1\): .*no such model"

    with pytest.raises(ServerExited, match=beside) as caught:
        embedding.ramalama().start(embedding.options)

    assert caught.value.hint is not None
    assert "embedding_model" in caught.value.hint
    assert embedding.is_clean()


@pytest.mark.parametrize(
    ("wanted", "notice"),
    [
        (None, "its embedding model ollama://nomic-embed-text is not on this machine; `ramalama p"),
        ("none", None),
        ("granite.gguf", "granite.gguf is a chat model"),
        ("missing.gguf", "missing.gguf"),
    ],
)
def test_without_an_embedding_model_the_stack_starts_and_a_notice_says_why(
    servers: ServerFixture, wanted: str | None, notice: str | None
) -> None:
    if wanted is not None and wanted.endswith("gguf"):
        wanted = str(servers.root / wanted)
        servers.model.write_bytes(llama(instead={"tokenizer.chat_template": string("{{ x }}")}))
    servers.config = replace(servers.config, embedding_model=wanted)

    with servers.ramalama().serve(servers.options, on_event=servers.events.append) as server:
        assert names(servers) == [server.name, f"{server.name}-stack"]

    told = [each.message for each in servers.events if isinstance(each, Notice)]
    about = [each for each in told if each.startswith("the stack has no vector stores: ")]
    assert len(about) == (notice is not None)
    assert all(str(notice) in each for each in about)


def test_a_plan_has_the_embeddings_server_with_a_limit_of_memory(embedding: ServerFixture) -> None:
    embedder, stack = embedding.ramalama().plan(embedding.options).companions

    assert embedder.memory_limit is not None
    assert embedder.image == IMAGE_NAME
    assert stack.env["EMBEDDING_MODEL"] == "embeddings/embedder"


def test_without_a_stack_its_modules_are_not_imported() -> None:
    program = (
        "import sys, ramalama.api.client, ramalama.serving.launch, ramalama.serving.cleanup\n"
        "import ramalama.cli.commands.run, ramalama.config.options\n"
        "print({'ramalama.planning.stack', 'ramalama.serving.companions', "
        "'ramalama.serving.embedder_beside', 'ramalama.rag.stack_store'} & set(sys.modules))"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert done.stdout == b"set()\n"
