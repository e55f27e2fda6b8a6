"""Where the settings of podman and docker say that an engine is, and addresses of engines."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from ramalama_engines.discovery.candidates import candidates, expected_candidates, find_address
from ramalama_engines.discovery.locate import EngineLocation
from ramalama_engines.errors import EngineUnavailable
from ramalama_engines.user import InvokingUser
from tests.fuzz.targets import Target

# They are imported late, and what guides the fuzzer is to be imported at once.
for _module in ("all_addresses", "docker_context", "podman_candidates"):
    import_module(f"ramalama_engines.discovery.{_module}")

_NAME = "gpu"
_DIGEST = sha256(_NAME.encode()).hexdigest()
_FILES = (
    ".config/containers/podman-connections.json",
    ".config/containers/containers.conf",
    ".config/containers/podman/machine/libkrun/podman-machine-default.json",
    ".docker/config.json",
    f".docker/contexts/meta/{_DIGEST}/meta.json",
    "",  # an address, in no file
)
_PLATFORMS = ("linux", "darwin")


def found_engines(data: bytes) -> None:
    """Look for engines where one file, or one address, is *data*; its first byte says which."""
    file = _FILES[data[0] % len(_FILES)] if data else ""
    with TemporaryDirectory() as made:
        home = Path(made)
        env = {"DOCKER_CONTEXT": _NAME} if "meta" in file else {}
        if file:
            (home / file).parent.mkdir(parents=True)
            (home / file).write_bytes(data[1:])
        user = InvokingUser(env=env, home=home, uid=1000, root=home)
        url = os.fsdecode(data[1:])
        location = EngineLocation(source="fuzz", connection=_NAME) if file else None
        if not file:
            location = EngineLocation(source="fuzz", url=url)
        for platform in _PLATFORMS:
            _look(user, None, platform)
            _look(user, location, platform)
        with suppress(EngineUnavailable):
            find_address(user, url)


def _look(user: InvokingUser, location: EngineLocation | None, platform: str) -> None:
    expected_candidates(user, location=location, platform=platform)
    texts: list[str] = []
    try:
        for each in candidates(user, location=location, platform=platform):
            texts += (each.source, each.refusal, each.url)
    except EngineUnavailable as exc:
        texts.append(str(exc))
    assert all(map(str.isprintable, texts)), texts


def _seeds() -> tuple[bytes, ...]:
    url = "ssh://me@gpu:22/run/x.sock"
    entry = {"URI": url, "Identity": "/k", "IsMachine": True, "TLSCA": "/ca", "TLSCert": "/c"}
    machine = {
        "Version": 1,
        "Name": "podman-machine-default",
        "HostUser": {"Rootful": False, "UID": 501},
        "SSH": {"IdentityPath": "/k", "Port": 22, "RemoteUsername": "core"},
        "Mounts": [{"Source": "/Users", "Target": "/Users", "ReadOnly": False}],
    }
    conf = (
        f'[engine]\nremote = true\nactive_service = "{_NAME}"\n'
        f'[engine.service_destinations.{_NAME}]\nuri = "{url}"\nidentity = "/k"\n'
    )
    contents = (
        json.dumps({"Connection": {"Default": _NAME, "Connections": {_NAME: entry}}}),
        conf,
        json.dumps(machine),
        json.dumps({"currentContext": _NAME}),
        json.dumps({"Endpoints": {"docker": {"Host": url, "SkipTLSVerify": False}}}),
        url,
    )
    return tuple(bytes([number]) + text.encode() for number, text in enumerate(contents))


TARGETS = {"engines": Target(run=found_engines, seeds=_seeds, has_json=True)}
