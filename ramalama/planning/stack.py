"""Plan the container of Llama Stack (OGX) beside a model server; pure functions.

It joins the network namespace of the model server's container: then the model server, which listens
on the loopback address of that namespace, is reached by these two and by no other program. Both
engines can do that, in the same words, and the engine publishes ports of the model server's
container as ever. Pods would do the same on Podman alone, with one more container to look after.

An embeddings server may be in that namespace, too: then the stack has vector stores.

The image must be OGX's, or like it: see containerfiles/README.md.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, Self

from ramalama.config.api_name import ApiName
from ramalama.config.defaults import LOOPBACK
from ramalama.planning.labels import (
    ALIAS_LABEL,
    COMPANION_LABEL,
    COMPANIONS_LABEL,
    PLAN_LABEL,
    SOCKET_NAME,
    STACK,
    companion_names,
)
from ramalama.planning.mounts import cover_volumes
from ramalama.runtimes.base import EmbeddingLimits, ListenAddress
from ramalama_accel.runtime_name import RuntimeName
from ramalama_chat.client.endpoint import TcpEndpoint, UnixEndpoint
from ramalama_engines.spec import ContainerSpec, TmpfsMount
from ramalama_values import frozen

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

EMBEDDINGS_SERVER: Final = ListenAddress(host=LOOPBACK, port=8081)
"""Where the embeddings server listens, likewise."""

_MODEL_URL = f"http://{MODEL_SERVER.host}:{MODEL_SERVER.port}"
_EMBEDDINGS_URL = f"http://{EMBEDDINGS_SERVER.host}:{EMBEDDINGS_SERVER.port}"

_INSTANCE = "/run/ramalama"
_CONFIG = "/etc/ogx"  # the directory of config.yaml
_TMP = "/tmp"  # noqa: S108 (the container's own)
_STATE = f"{_TMP}/ogx"

_APIS = ("inference", "responses", "vector_io", "files", "tool_runtime")

_TMP_SIZE = 1 << 30  # bytes; files and vector stores are in it, so it counts as memory
_MEMORY = 2 << 30  # bytes, with that; it takes 0.2 GB before any request
_PIDS_LIMIT = 1024

_EMBEDDINGS = "embeddings"  # the provider of embeddings

# Tokens of a piece of a file by the stack's own count; the embedding model may count more of them.
_USUAL_PIECE = 800
_SHORTEST_PIECE = 100
_PIECE_OF_TEXT = 0.6

_PROVIDERS = {RuntimeName.LLAMA_CPP: "llama-cpp-server", RuntimeName.VLLM: "vllm"}


@frozen()
class StackEmbedder:
    """The embeddings server beside the stack.

    Attributes:
        alias: the name of its model there.
        dimension: numbers in a vector.
        text: tokens of the longest text.
    """

    alias: str
    dimension: int
    text: int

    @classmethod
    def of(cls, alias: str, inputs: PlanInputs) -> Self:
        """Return that of *inputs*, whose limits are known."""
        limits = inputs.embedding or EmbeddingLimits(text=_SHORTEST_PIECE)
        return cls(alias=model_name(alias), dimension=limits.dimension or 0, text=limits.text)

    @property
    def name(self) -> str:
        """The name of its model in the stack."""
        return f"{_EMBEDDINGS}/{self.alias}"

    @property
    def piece(self) -> int:
        """How long the pieces of a file are, in tokens by the stack's own count."""
        return min(max(int(self.text * _PIECE_OF_TEXT), _SHORTEST_PIECE), _USUAL_PIECE)


def stack_container(
    inputs: PlanInputs,
    here: LaunchEnvironment,
    server: ContainerSpec,
    endpoint: Endpoint,
    embedder: StackEmbedder | None,
) -> ContainerSpec:
    """Return the container of the stack that answers at *endpoint*, beside the one of *server*."""
    options, name = inputs.options, server.name or ""
    mounts = tuple(_mounts(here, endpoint, relabel=options.selinux and not options.privileged))
    if image := inputs.stack:
        mounts += tuple(cover_volumes(image, inputs.stack_name, mounts))
    return ContainerSpec(
        image=inputs.stack_name,
        name=companion_names(name, STACK)[0],
        labels={
            **server.labels,
            COMPANION_LABEL: ApiName.LLAMA_STACK.value,
            COMPANIONS_LABEL: "",
            PLAN_LABEL: "",
        },
        env=_variables(inputs, server, endpoint, embedder),
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


def stack_config(
    inputs: PlanInputs, alias: str, endpoint: Endpoint, embedder: StackEmbedder | None = None
) -> str:
    """Return the configuration of OGX 1.x as YAML, of which JSON is a part."""
    config = {
        "version": 2,
        "distro_name": "ramalama",
        "apis": [*_APIS, *(("file_processors",) if embedder else ())],
        "providers": _providers(inputs.options.runtime, embedder),
        "storage": _STORAGE,
        "registered_resources": {"models": list(_models(alias, embedder))},
        **({"vector_stores": _vector_stores(embedder)} if embedder else {}),
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


def _variables(
    inputs: PlanInputs, server: ContainerSpec, endpoint: Endpoint, embedder: StackEmbedder | None
) -> dict[str, str]:
    variables = {
        "HOME": _TMP,
        "RAMALAMA_URL": _MODEL_URL,
        "RAMALAMA_RUNTIME": inputs.options.runtime.value,
        "INFERENCE_MODEL": model_name(server.labels.get(ALIAS_LABEL, "")),
    }
    if isinstance(endpoint, UnixEndpoint):
        variables["RAMALAMA_SOCKET"] = f"{_INSTANCE}/{SOCKET_NAME}"
    if embedder is not None:
        variables["RAMALAMA_EMBEDDINGS_URL"] = _EMBEDDINGS_URL
        variables["EMBEDDING_MODEL"] = embedder.name
    return variables


def _providers(runtime: RuntimeName, embedder: StackEmbedder | None) -> dict[str, object]:
    vector_io = {"persistence": {"namespace": "vector_io::sqlite_vec", "backend": "kv_default"}}
    metadata = {"table_name": "files_metadata", "backend": "sql_default"}
    responses = {"table_name": "responses", "backend": "sql_default"}
    inference = [_provider(f"remote::{_PROVIDERS[runtime]}", base_url=f"{_MODEL_URL}/v1")]
    return {
        "inference": inference if embedder is None else [*inference, _embeddings_provider()],
        **({} if embedder is None else {"file_processors": [_file_processor(embedder)]}),
        "vector_io": [_provider("inline::sqlite-vec", db_path=f"{_STATE}/vectors.db", **vector_io)],
        "responses": [_provider("inline::builtin", persistence={"responses": responses})],
        "files": [
            _provider("inline::localfs", storage_dir=f"{_STATE}/files", metadata_store=metadata)
        ],
        "tool_runtime": [_provider("inline::file-search")],
    }


def _embeddings_provider() -> dict[str, object]:
    kind = f"remote::{_PROVIDERS[RuntimeName.LLAMA_CPP]}"
    return {
        **_provider(kind, base_url=f"{_EMBEDDINGS_URL}/v1"),
        "provider_id": _EMBEDDINGS,
    }


def _file_processor(embedder: StackEmbedder) -> dict[str, object]:
    """Return what splits files into pieces that the embedding model takes."""
    size = embedder.piece
    return _provider(
        "inline::pypdf", default_chunk_size_tokens=size, default_chunk_overlap_tokens=size // 2
    )


def _vector_stores(embedder: StackEmbedder) -> dict[str, object]:
    return {
        "default_provider_id": "sqlite-vec",
        "default_embedding_model": {
            "provider_id": _EMBEDDINGS,
            "model_id": embedder.alias,
            "embedding_dimensions": embedder.dimension,
        },
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


def _models(alias: str, embedder: StackEmbedder | None) -> Iterator[dict[str, object]]:
    """Yield the models; one for all providers is the first one's, and its name has no prefix."""
    name = model_name(alias)
    yield _model(name, "all", "llm")
    if embedder is not None:
        metadata = {"embedding_dimension": embedder.dimension, "context_length": embedder.text}
        yield {**_model(embedder.alias, _EMBEDDINGS, "embedding"), "metadata": metadata}


def _model(name: str, provider: str, kind: str) -> dict[str, object]:
    return {
        "model_id": name,
        "provider_id": provider,
        "provider_model_id": name,
        "model_type": kind,
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
