"""Plan the container of Llama Stack (OGX) beside a model server; pure functions.

It joins the network namespace of the model server's container: then the model server, which listens
on the loopback address of that namespace, is reached by these two and by no other program. Both
engines can do that, in the same words, and the engine publishes ports of the model server's
container as ever. Pods would do the same on Podman alone, with a third container to look after.

The image must be OGX's, or like it: see containerfiles/README.md.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from ramalama.config.api_name import ApiName
from ramalama.config.defaults import LOOPBACK
from ramalama.planning.labels import (
    ALIAS_LABEL,
    COMPANION_LABEL,
    PLAN_LABEL,
    SOCKET_NAME,
    companion_names,
)
from ramalama.planning.mounts import cover_volumes
from ramalama.runtimes.base import ListenAddress
from ramalama_accel.runtime_name import RuntimeName
from ramalama_chat.client.endpoint import TcpEndpoint, UnixEndpoint
from ramalama_engines.spec import ContainerSpec, TmpfsMount

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ramalama.planning.inputs import LaunchEnvironment, PlanInputs
    from ramalama_chat.client.endpoint import Endpoint
    from ramalama_engines.spec import Mount

STACK_PORT: Final = 8321
"""The port on which the stack listens, if it has no socket."""

STACK_HEALTH: Final = "/v1/health"
"""Answers 200 when the stack and the model server do."""

MODEL_SERVER: Final = ListenAddress(host=LOOPBACK, port=8080)
"""Where the model server listens for the stack; it requires no key there."""

_MODEL_URL = f"http://{MODEL_SERVER.host}:{MODEL_SERVER.port}"

_INSTANCE = "/run/ramalama"
_CONFIG = "/etc/ogx"  # the directory of config.yaml
_TMP = "/tmp"  # noqa: S108 (the container's own)
_STATE = f"{_TMP}/ogx"

_TMP_SIZE = 1 << 30  # bytes; files and vector stores are in it, so it counts as memory
_MEMORY = 2 << 30  # bytes, with that; it takes 0.2 GB before any request
_PIDS_LIMIT = 1024

_PROVIDERS = {RuntimeName.LLAMA_CPP: "llama-cpp-server", RuntimeName.VLLM: "vllm"}


def stack_container(
    inputs: PlanInputs, here: LaunchEnvironment, server: ContainerSpec, endpoint: Endpoint
) -> ContainerSpec:
    """Return the container of the stack that answers at *endpoint*, beside the one of *server*."""
    options, name = inputs.options, server.name or ""
    mounts = tuple(_mounts(here, endpoint, relabel=options.selinux and not options.privileged))
    if image := inputs.stack:
        mounts += tuple(cover_volumes(image, inputs.stack_name, mounts))
    return ContainerSpec(
        image=inputs.stack_name,
        name=companion_names(name, options.api)[0],
        labels={**server.labels, COMPANION_LABEL: ApiName.LLAMA_STACK.value, PLAN_LABEL: ""},
        env=_variables(inputs, server, endpoint),
        mounts=mounts,
        network=f"container:{name}",
        oci_runtime=options.oci_runtime,
        selinux_options=server.selinux_options,
        user=server.user,
        userns=server.userns,
        pids_limit=_PIDS_LIMIT,
        memory_limit=_MEMORY,
        optional_limits=("pids_limit", "memory_limit"),
        log_size=server.log_size,
    )


def model_name(alias: str) -> str:
    """Return the name of the model in the stack, whose configuration replaces ``${…}``."""
    return alias.replace("${", "$(")


def stack_config(inputs: PlanInputs, alias: str, endpoint: Endpoint) -> str:
    """Return the configuration of OGX 1.x as YAML, of which JSON is a part."""
    config = {
        "version": 2,
        "distro_name": "ramalama",
        "apis": ["inference", "responses", "vector_io", "files", "tool_runtime"],
        "providers": _providers(inputs.options.runtime),
        "storage": _STORAGE,
        "registered_resources": {"models": [_model(alias)]},
        "server": _server(endpoint),
    }
    text = json.dumps(config, indent=2, ensure_ascii=False)
    return "".join(map(_printable, text)) + "\n"


def _mounts(here: LaunchEnvironment, endpoint: Endpoint, *, relabel: bool) -> Iterator[Mount]:
    place, instance = here.placement, here.instance
    yield place.server(instance, target=_CONFIG, read_only=True, relabel=relabel)
    if isinstance(endpoint, UnixEndpoint):
        yield place.server(instance, target=_INSTANCE, read_only=False, relabel=relabel)
    yield TmpfsMount(target=_TMP, size=_TMP_SIZE)


def _variables(inputs: PlanInputs, server: ContainerSpec, endpoint: Endpoint) -> dict[str, str]:
    variables = {
        "HOME": _TMP,
        "RAMALAMA_URL": _MODEL_URL,
        "RAMALAMA_RUNTIME": inputs.options.runtime.value,
        "INFERENCE_MODEL": model_name(server.labels.get(ALIAS_LABEL, "")),
    }
    if isinstance(endpoint, UnixEndpoint):
        variables["RAMALAMA_SOCKET"] = f"{_INSTANCE}/{SOCKET_NAME}"
    return variables


def _providers(runtime: RuntimeName) -> dict[str, object]:
    vector_io = {"persistence": {"namespace": "vector_io::sqlite_vec", "backend": "kv_default"}}
    metadata = {"table_name": "files_metadata", "backend": "sql_default"}
    responses = {"table_name": "responses", "backend": "sql_default"}
    kind = _PROVIDERS[runtime]
    return {
        "inference": [_provider(f"remote::{kind}", base_url=f"{_MODEL_URL}/v1")],
        "vector_io": [_provider("inline::sqlite-vec", db_path=f"{_STATE}/vectors.db", **vector_io)],
        "responses": [_provider("inline::builtin", persistence={"responses": responses})],
        "files": [
            _provider("inline::localfs", storage_dir=f"{_STATE}/files", metadata_store=metadata)
        ],
        "tool_runtime": [_provider("inline::file-search")],
    }


def _provider(kind: str, **config: object) -> dict[str, object]:
    return {"provider_id": kind.rpartition("::")[2], "provider_type": kind, "config": config}


_STORAGE = {
    "backends": {
        "kv_default": {"type": "kv_sqlite", "db_path": f"{_STATE}/keys.db"},
        "sql_default": {"type": "sql_sqlite", "db_path": f"{_STATE}/tables.db"},
    },
    "stores": {
        "metadata": {"namespace": "registry", "backend": "kv_default"},
        **{
            name: {"table_name": name, "backend": "sql_default"}
            for name in ("inference", "conversations", "prompts", "connectors")
        },
    },
}


def _model(alias: str) -> dict[str, str]:
    """Register the model for all providers, of which there is one: then its name has no prefix."""
    name = model_name(alias)
    return {
        "model_id": name,
        "provider_id": "all",
        "provider_model_id": name,
        "model_type": "llm",
    }


def _server(endpoint: Endpoint) -> dict[str, object]:
    # "Insecure" means without TLS.
    server: dict[str, object] = {"host": LOOPBACK, "port": STACK_PORT, "insecure": True}
    if isinstance(endpoint, TcpEndpoint):
        # All addresses of the container's network, of which one is published.
        server["host"] = "0.0.0.0"  # noqa: S104 (see above)
        keys = {"type": "local_api_key", "api_keys": [endpoint.api_key]}
        server["auth"] = {"provider_config": keys}
    return server


def _printable(char: str) -> str:
    """Escape what YAML does not take as it is, and JSON does."""
    if char.isprintable() or char == "\n":
        return char
    code = ord(char)
    return f"\\U{code:08x}" if code > 0xFFFF else f"\\u{code:04x}"  # noqa: PLR2004 (see above)
