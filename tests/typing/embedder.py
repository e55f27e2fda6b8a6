"""What an embedder's type checker infers of us: never run, only read by ours."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import assert_type

import openai

import ramalama
from ramalama.models.store.listing import ListedModel
from ramalama.models.store.stored_model import StoredModel
from ramalama_chat import Answer, AsyncAnswer, AsyncChatSession, ChatSession, Endpoint
from ramalama_engines import ContainerSpec, ContainerState, Engine


def serve(engine: Engine) -> None:
    options = ramalama.ServeOptions(model=ramalama.ModelRef.parse("/models/granite.gguf"))
    assert_type(options.model, ramalama.ModelRef)
    with ramalama.Ramalama(ramalama.Config(), engine=engine) as capacity:
        assert_type(capacity, ramalama.Ramalama)
        assert_type(capacity.plan(options), ramalama.LaunchPlan)
        assert_type(capacity.plan(options).container, ContainerSpec)
        assert_type(capacity.servers(), Sequence[ContainerState])
        with capacity.serve(options) as server:
            talk(server)


def in_a_line(capacity: ramalama.Ramalama) -> None:
    with ramalama.serve("smollm2:135m", ctx_size=8192, reuse=True, keep_alive=60) as server:
        assert_type(server, ramalama.ModelServer)
        server.detach(keep_alive=60)
    with ramalama.serve(Path("granite"), runtime=ramalama.RuntimeName.VLLM) as server:
        talk(server)
    with capacity.attach("granite") as found:
        talk(found)
    assert_type(capacity.stop("granite"), None)
    assert_type(capacity.logs("granite"), Iterator[str])
    assert_type(capacity.pull("smollm2:135m"), StoredModel)
    assert_type(capacity.list(), Sequence[ListedModel])


def without_a_block() -> None:
    server = ramalama.start(
        Path("granite"),
        runtime="vllm",
        pull_policy="never",
        runtime_args=["-v"],
        draft="tiny",
        authfile="auth.json",
    )
    assert_type(server, ramalama.ModelServer)
    assert_type(server.embed(["why?"]), list[list[float]])
    assert_type(server.health(), ramalama.ServerHealth)
    assert_type(server.count_tokens([{"role": "user", "content": "why?"}]), int)
    assert_type(ramalama.connect("http://localhost:8080"), ramalama.ServedModel)
    assert_type(ramalama.pull(Path("granite"), wanted="safetensors"), StoredModel)


async def in_asyncio(capacity: ramalama.Ramalama) -> None:
    async with ramalama.aserve("smollm2:135m", using=capacity, network="bridge") as server:
        assert_type(server, ramalama.ModelServer)
        assert_type(server.async_client(), openai.AsyncOpenAI)


def talk(server: ramalama.ModelServer) -> None:
    assert_type(server.endpoint, Endpoint)
    assert_type(server.client(), openai.OpenAI)
    assert_type(server.chat(), ChatSession)
    pieces: Generator[str, None, None] = server.chat().ask("why?")
    assert_type(next(pieces), str)


class Pet:
    """A value that an answer has by its schema."""


def ask(chat: ChatSession) -> None:
    assert_type(chat.ask("why?"), Answer[None])
    assert_type(chat.ask("who?", schema=Pet, max_tokens=9, tools=[ask]).parsed, Pet)
    assert_type(chat.ask("what?", schema={"type": "object"}).begin().parsed, object)


async def ask_in_asyncio(chat: AsyncChatSession) -> None:
    async with chat.ask("who?", schema=Pet, timeout=1.5, tools=[ask_in_asyncio]) as answer:
        assert_type(answer, AsyncAnswer[Pet])
        assert_type([word async for word in answer], list[str])


def fail(error: ramalama.RamalamaError) -> int | None:
    if isinstance(error, ramalama.EngineFailure):
        assert_type(error.cause.engine, str)
    if isinstance(error, ramalama.ServerExited):
        assert_type(error.log_tail, tuple[str, ...])
        return error.exit_code
    return None
