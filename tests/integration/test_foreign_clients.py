"""Clients that nobody here wrote get answers from our server, over a port and with its key."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Final

import pytest

import ramalama
from ramalama_chat.client.endpoint import TcpEndpoint
from ramalama_engines import InvokingUser
from tests.integration.cli import user_of
from tests.lab.assets import IMAGE
from tests.lab.examples import environment

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.lab.pypi import Installation
    from tests.lab.service import EngineService

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]

QUESTION: Final = (
    "messages = [{'role': 'user', 'content': 'Hello!'}]\nimport sys\n_, url, key = sys.argv"
)

OPENAI = """
import openai
client = openai.OpenAI(base_url=url, api_key=key)
name = client.models.list().data[0].id
stream = client.chat.completions.create(model=name, messages=messages, max_tokens=8, stream=True)
for chunk in stream:
    print(chunk.choices[0].delta.content or "" if chunk.choices else "", end="")
"""

OPENAI_ASYNC = """
import asyncio, openai
async def ask():
    async with openai.AsyncOpenAI(base_url=url, api_key=key) as client:
        answer = await client.chat.completions.create(
            model="smollm2", messages=messages, max_tokens=8
        )
        print(answer.choices[0].message.content)
asyncio.run(ask())
"""

LANGCHAIN = """
from langchain_openai import ChatOpenAI
model = ChatOpenAI(base_url=url, api_key=key, model="smollm2", max_tokens=8)
print(model.invoke(messages).content)
"""

LITELLM = """
import litellm
answer = litellm.completion(
    model="openai/smollm2", api_base=url, api_key=key, messages=messages, max_tokens=8
)
print(answer.choices[0].message.content)
"""

LLM_MODEL = """\
- model_id: ours
  model_name: smollm2
  api_base: {url}
  api_key_name: ours
"""


@pytest.fixture(scope="module")
def clients() -> Installation:
    return environment()


@pytest.fixture(scope="module")
def address(docker_service: EngineService, lab: Path, model: Path) -> Generator[tuple[str, str]]:
    """The URL of a server's API, and its key."""
    with user_of(docker_service, lab) as cli:
        user = InvokingUser(env=cli.env, home=cli.home, uid=os.getuid())
        handle = ramalama.Ramalama(ramalama.Config(image=IMAGE), user=user)
        with handle, ramalama.serve(str(model), using=handle, network="bridge") as server:
            assert isinstance(server.endpoint, TcpEndpoint)
            assert server.endpoint.api_key
            yield server.endpoint.base_url, server.endpoint.api_key


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(OPENAI, id="openai"),
        pytest.param(OPENAI_ASYNC, id="openai, asynchronous"),
        pytest.param(LANGCHAIN, id="langchain-openai"),
        pytest.param(LITELLM, id="litellm"),
    ],
)
def test_a_client_gets_an_answer(
    clients: Installation, address: tuple[str, str], tmp_path: Path, script: str
) -> None:
    # litellm would fetch a list of prices.
    env = {"HOME": str(tmp_path), "LITELLM_LOCAL_MODEL_COST_MAP": "True"}

    assert clients.run(f"{QUESTION}\n{script}", *address, env=env).strip()


def test_llm_gets_an_answer(
    clients: Installation, address: tuple[str, str], tmp_path: Path
) -> None:
    url, key = address
    (tmp_path / "extra-openai-models.yaml").write_text(LLM_MODEL.format(url=url), encoding="utf-8")
    options = ("--model", "ours", "--key", key, "--option", "max_tokens", "8", "--no-log")
    done = subprocess.run(
        [clients.program("llm"), *options, "Hello!"],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "LLM_USER_PATH": str(tmp_path)},
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
