"""llama.cpp's server as a client of hubs, in a container that shares the machine's network."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import httpx2

from tests.lab.assets import IMAGE
from tests.lab.registry import free_port
from tests.lab.service import LabError

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.lab.service import EngineService

_PATIENCE: Final = 60.0  # seconds


@contextmanager
def serve_from_hub(service: EngineService, endpoint: str, model: str, token: str) -> Generator[str]:
    """Run a server that fetches *model* from *endpoint* by itself; lend its address."""
    port = free_port()
    order = {
        "Image": IMAGE,
        "Env": [f"MODEL_ENDPOINT={endpoint}/", f"HF_TOKEN={token}", "HOME=/tmp"],
        "Cmd": ["llama-server", "-hf", model, "-c", "256", "--port", str(port)],
        "HostConfig": {"NetworkMode": "host"},
    }
    with service.client() as engine:
        container = engine.post("/containers/create", json=order).raise_for_status().json()["Id"]
        try:
            engine.post(f"/containers/{container}/start").raise_for_status()
            _wait_until_healthy(engine, container, url := f"http://127.0.0.1:{port}")
            yield url
        finally:
            engine.delete(f"/containers/{container}", params={"force": "true"}).raise_for_status()


def _wait_until_healthy(engine: httpx2.Client, container: str, url: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not _is_healthy(url):
        state = engine.get(f"/containers/{container}/json").raise_for_status().json()["State"]
        if not state["Running"] or time.monotonic() > deadline:
            streams = {"stdout": "true", "stderr": "true", "tail": "20"}
            log = engine.get(f"/containers/{container}/logs", params=streams)
            msg = f"llama-server does not serve; its last words:\n{log.text}"
            raise LabError(msg)
        time.sleep(0.05)


def _is_healthy(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/health", trust_env=False).is_success
    except httpx2.TransportError:
        return False
