"""Who keeps which contract: never run, only read by the type checkers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ramalama import Cache, Transport
    from ramalama.models.store.caches.base import HuggingFaceCache
    from ramalama.models.transports.oci.base_image import RemoteContent
    from ramalama.models.transports.oci.layers.content import BlobContent, Content
    from ramalama.models.transports.ollama.transport import OllamaTransport
    from ramalama.runtimes.base import Runtime
    from ramalama.runtimes.llama_cpp import LlamaCpp
    from ramalama_chat import ChatSession
    from ramalama_chat.repl.state import ChatProtocol
    from ramalama_engines import Engine
    from ramalama_engines.docker.engine import DockerEngine
    from ramalama_engines.fake import FakeEngine
    from ramalama_engines.podman.engine import PodmanEngine


def the_fake_is_an_engine(engine: FakeEngine) -> Engine:
    return engine


def podman_is_an_engine(engine: PodmanEngine) -> Engine:
    return engine


def docker_is_an_engine(engine: DockerEngine) -> Engine:
    return engine


def llama_cpp_is_a_runtime(runtime: LlamaCpp) -> Runtime:
    return runtime


def ollama_is_a_transport(transport: OllamaTransport) -> Transport:
    return transport


def hugging_faces_directory_is_a_cache(cache: HuggingFaceCache) -> Cache:
    return cache


def a_session_is_a_talk(session: ChatSession) -> ChatProtocol:
    return session


def bytes_from_here_are_a_blobs_content(content: Content) -> BlobContent:
    return content


def bytes_from_elsewhere_are_a_blobs_content(content: RemoteContent) -> BlobContent:
    return content
