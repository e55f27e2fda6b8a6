"""The examples for Celery and RQ, with a real Redis and workers that fork."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.integration.cli import PATIENCE, Cli, eventually, user_of
from tests.lab.examples import EXAMPLES, environment
from tests.lab.redis import redis_server
from tests.lab.service import running

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.lab.service import EngineService

pytestmark = [
    pytest.mark.engines,
    pytest.mark.programs("redis-server"),
    pytest.mark.timeout(600),
]

TEXT = "The sky is blue because the air scatters blue light more than red light."

# Both give two pieces of work at once, and print the results.
CELERY_CLIENT = f"""
from celery_tasks import summarize
for result in [summarize.delay({TEXT!r}) for _ in range(2)]:
    print(repr(result.get(timeout=100)))
"""
RQ_CLIENT = f"""
import os, time
from redis import Redis
from rq import Queue
queue = Queue(connection=Redis.from_url(os.environ["REDIS_URL"]))
for job in [queue.enqueue("rq_tasks.summarize", {TEXT!r}) for _ in range(2)]:
    while not (job.is_finished or job.is_failed):
        time.sleep(0.05)
    print(repr(job.return_value()), job.latest_result().exc_string or "")
"""


@pytest.fixture
def cli(podman_service: EngineService, lab: Path) -> Generator[Cli]:
    """A user of Podman, who must have nothing left in the end."""
    with user_of(podman_service, lab) as user:
        yield user


@pytest.fixture(scope="module")
def redis(lab: Path) -> Generator[str]:
    with redis_server(lab / "redis") as url:
        yield url


def env_of(cli: Cli, model: Path, redis: str) -> dict[str, str]:
    return {**cli.env, "MODEL": str(model), "REDIS_URL": redis, "PYTHONPATH": str(EXAMPLES)}


def results(client: str, env: dict[str, str]) -> list[str]:
    """Run a program that gives work to the queue; return the lines that it prints."""
    done = subprocess.run(
        [environment().program("python"), "-c", client],
        check=False,
        capture_output=True,
        text=True,
        env=env,
        timeout=PATIENCE * 2,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_children_of_a_celery_worker_share_the_model_of_their_parent(
    cli: Cli, model: Path, redis: str
) -> None:
    env, log = env_of(cli, model, redis), cli.home / "celery.log"
    command = (
        *(environment().program("celery"), "--app", "celery_tasks", "worker"),
        *("--concurrency", "2", "--loglevel", "INFO"),
    )

    with running(command, log=log, ready=lambda: "ready." in log.read_text(), env=env):
        first, second = results(CELERY_CLIENT, env)
        assert len(cli.containers()) == 1

    assert len(first) > len("''")
    assert len(second) > len("''")
    assert cli.containers() == []


def test_the_jobs_of_an_rq_worker_share_a_model_that_stays_between_them(
    cli: Cli, model: Path, redis: str
) -> None:
    env, log = env_of(cli, model, redis), cli.home / "rq.log"
    command = (environment().program("rq"), "worker", "--url", redis)

    with running(command, log=log, ready=lambda: "Listening on" in log.read_text(), env=env):
        said = results(RQ_CLIENT, env)
        (container,) = cli.containers()
        again = results(RQ_CLIENT, env)
        (same,) = cli.containers()
    cli.run("stop", "--all")

    assert [len(line) > len("''") for line in said + again] == [True] * 4
    assert "None" not in said + again
    assert container["Id"] == same["Id"]
    eventually(lambda: cli.containers() == [])
