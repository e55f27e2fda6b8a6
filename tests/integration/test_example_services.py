"""The services of the examples: each status is right, and no answer is cut off unnoticed."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx2
import pytest

from tests.integration.cli import Cli, eventually, user_of
from tests.lab.examples import EXAMPLES, environment
from tests.lab.service import free_port, running

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from tests.lab.service import EngineService

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]

FRAMEWORKS = ("fastapi", "starlette", "flask")
LONG = "Count the words of this: " + "word " * 3000
ENDLESS = "Tell me a very long story about a seal."


@pytest.fixture(scope="module")
def podman_user(podman_service: EngineService, lab: Path) -> Generator[Cli]:
    """A user of Podman, who must have nothing left in the end."""
    with user_of(podman_service, lab) as user:
        yield user


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """An example that runs."""

    framework: str
    url: str
    cli: Cli

    def asked(self, question: str) -> dict[str, object]:
        """The keywords of a request with *question*."""
        body = (
            {"content": question}
            if self.framework == "starlette"
            else {"json": {"question": question}}
        )
        return {"method": "POST", "url": f"{self.url}/ask", **body}

    def ask(self, question: str) -> httpx2.Response:
        """Ask and wait for all of the response."""
        return httpx2.request(**self.asked(question), trust_env=False, timeout=120)  # type: ignore[arg-type]

    def pieces(self, lines: Sequence[str]) -> list[tuple[str, object]]:
        """Return the kind and the value of each event of a response."""
        if self.framework == "starlette":
            return [item for line in lines for item in json.loads(line).items()]
        kinds = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
        values = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
        return list(zip(kinds, values, strict=True))


@contextmanager
def service(framework: str, cli: Cli, model: Path) -> Generator[Service]:
    port = free_port()
    url, log = f"http://127.0.0.1:{port}", cli.home / f"{framework}.log"
    app = f"{framework}_service:app"
    examples = environment()
    command = (
        (
            *(examples.program("gunicorn"), "--chdir", str(EXAMPLES), "--threads", "8"),
            *("--workers", "2", "--bind", f"127.0.0.1:{port}", app),
        )
        if framework == "flask"
        else (*(examples.program("uvicorn"), "--app-dir", str(EXAMPLES), "--port", str(port), app),)
    )

    def answers() -> bool:
        try:
            return httpx2.get(url, trust_env=False).status_code == 404
        except httpx2.TransportError:
            return False

    env = {**cli.env, "MODEL": str(model)}
    with running(command, log=log, ready=answers, env=env):
        yield Service(framework=framework, url=url, cli=cli)


@pytest.fixture(scope="class", params=FRAMEWORKS)
def running_service(
    request: pytest.FixtureRequest, podman_user: Cli, model: Path
) -> Generator[Service]:
    """Each service in turn; it removes its container when it ends."""
    framework: str = request.param
    with service(framework, podman_user, model) as started:
        yield started
    assert podman_user.containers() == []


class TestRunning:
    def test_an_answer_is_streamed_and_says_that_it_is_complete(
        self, running_service: Service
    ) -> None:
        said = running_service.ask("Say hello.")

        assert said.status_code == 200
        kinds, values = zip(*running_service.pieces(said.text.splitlines()), strict=True)
        assert [*kinds[:-1]] == ["text"] * len(kinds[:-1])
        assert kinds[-1] == "end"
        assert values[-1] in {"stop", "length"}
        assert len(kinds) > 2

    def test_one_container_serves_all_workers(self, running_service: Service) -> None:
        assert len(running_service.cli.containers()) == 1

    def test_a_question_that_is_too_long_is_refused_with_413(
        self, running_service: Service
    ) -> None:
        said = running_service.ask(LONG)

        assert said.status_code == 413
        assert "context" in said.json()["error"]

    def test_a_client_that_leaves_frees_the_model(self, running_service: Service) -> None:
        with (
            httpx2.Client(trust_env=False, timeout=120) as client,
            client.stream(**running_service.asked(ENDLESS)) as reply,  # type: ignore[arg-type]
        ):
            next(reply.iter_lines())

        eventually(lambda: not busy(running_service.cli))


def busy(cli: Cli) -> bool:
    with cli.server() as api:
        slots = api.get("/slots").raise_for_status().json()
    return any(slot["is_processing"] for slot in slots)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_server_that_dies_is_told_in_the_answer_and_then_with_503(
    podman_user: Cli, model: Path, framework: str
) -> None:
    with service(framework, podman_user, model) as asked:
        with (
            httpx2.Client(trust_env=False, timeout=120) as client,
            client.stream(**asked.asked(ENDLESS)) as reply,  # type: ignore[arg-type]
        ):
            lines = reply.iter_lines()
            heard = [next(lines)]
            (container,) = podman_user.containers()
            podman_user.engine("kill", container["Id"])
            heard += lines
        later = asked.ask("Say hello.")

    assert reply.status_code == 200
    assert asked.pieces(heard)[-1][0] == "error"
    assert later.status_code == 503
    assert "server" in later.json()["error"]
