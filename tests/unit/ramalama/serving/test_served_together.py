"""What a start makes of a model, its draft, and the memory and images there are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ramalama.api.client import Ramalama
from ramalama.errors import EngineFailure, ModelNotFound, ModelTooLarge, ModelUnsupported
from ramalama.events import Notice
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.scheme import Scheme
from ramalama_accel import RuntimeName
from ramalama_engines import BindMount, InvokingUser, PullPolicy
from tests.unit.accel.made_up_hosts import make as make_host
from tests.unit.ramalama.made_up import IMAGE
from tests.unit.ramalama.models.formats.made_gguf import llama
from tests.unit.ramalama.serving.servers import IMAGE_NAME, ServerFixture

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from ramalama.config.options import ServeOptions

MIB = 1024 * 1024


@pytest.fixture
def servers(run_dir: Path) -> Generator[ServerFixture]:
    """A place without the image, which the registry has."""
    with ServerFixture(root=run_dir, images={}, registry={IMAGE_NAME: IMAGE}) as made:
        yield made


def write(servers: ServerFixture, name: str, *, size: int = 1000, **shape: Any) -> ModelRef:  # noqa: ANN401 (any keyword of `llama`)
    path = servers.root / name
    path.write_bytes(llama(**shape).ljust(size, b"\0"))
    return ModelRef(Scheme.FILE, str(path))


def pair(servers: ServerFixture, **shape: Any) -> ServeOptions:  # noqa: ANN401 (likewise)
    """Ask for a model with a draft of that *shape*."""
    model, draft = write(servers, "large.gguf"), write(servers, "small.gguf", **shape)
    return replace(servers.options, model=model, draft=draft)


def test_the_draft_is_mounted_beside_the_model_and_named_to_the_server(
    servers: ServerFixture,
) -> None:
    options = pair(servers)
    with servers.ramalama().serve(options) as server:
        spec = server.plan.container
        mounts = {m.source: m for m in spec.mounts if isinstance(m, BindMount)}
        draft = mounts[str(servers.root / "small.gguf")]

    words = list(spec.command)
    assert words[words.index("--model-draft") + 1] == draft.target == "/mnt/extras/draft.gguf"
    assert draft.read_only
    assert servers.is_clean()


@pytest.mark.parametrize(
    ("changes", "error", "complaint"),
    [
        ({"draft": ModelRef(Scheme.FILE, "/no/such.gguf")}, ModelNotFound, "no such model file"),
        ({"model": ModelRef(Scheme.FILE, "/no/such.gguf")}, ModelNotFound, "no such model file"),
    ],
)
def test_one_of_the_two_that_is_missing_is_named_and_nothing_is_pulled(
    servers: ServerFixture, changes: dict[str, Any], error: type[Exception], complaint: str
) -> None:
    options = replace(pair(servers), **changes)

    with pytest.raises(error, match=complaint):
        servers.ramalama().start(options)

    assert servers.engine.image(IMAGE_NAME) is None


def test_a_draft_of_another_family_is_refused_before_anything_is_pulled(
    servers: ServerFixture,
) -> None:
    options = pair(servers, vocabulary=32000)

    with pytest.raises(ModelUnsupported, match="is of another family: it has 32000 tokens"):
        servers.ramalama().start(options)

    assert servers.engine.image(IMAGE_NAME) is None


@pytest.mark.parametrize(
    ("memory", "changes", "complaint"),
    [
        (200, {"ctx_size": 8192}, r"for its context alone, but 210 MB .*--ctx-size \d+ fits"),
        (50, {}, "needs 94.4 MB for its weights alone, but 52.4 MB of memory are free"),
        (150, {"draft": None}, "needs 189 MB for its weights alone"),
    ],
)
def test_what_cannot_fit_is_refused_before_the_image_is_pulled(
    servers: ServerFixture, memory: int, changes: dict[str, Any], complaint: str
) -> None:
    model = write(servers, "granite.gguf", size=90 * MIB)
    options = replace(servers.options, model=model, **{**changes, "draft": None})
    if "draft" in changes:
        options = replace(options, draft=write(servers, "other.gguf", size=90 * MIB))
    meminfo = servers.root / "proc/meminfo"
    meminfo.parent.mkdir()
    meminfo.write_text(f"MemAvailable: {memory * 1024} kB\n")

    with pytest.raises(ModelTooLarge, match=complaint):
        servers.ramalama().start(options)

    assert servers.engine.image(IMAGE_NAME) is None
    assert servers.is_clean()


def test_vllm_on_a_gpu_that_it_has_no_image_for_is_a_notice(
    servers: ServerFixture, tmp_path: Path
) -> None:
    said: list[str] = []
    user = InvokingUser(env={}, home=servers.root, uid=1000, root=servers.root)
    host = make_host("radeon-rx-580", tmp_path).host
    options = replace(servers.options, runtime=RuntimeName.VLLM, pull_policy=PullPolicy.NEVER)

    with (
        Ramalama(engine=servers.engine, host=host, user=user, run_dir=servers.run_dir) as ramalama,
        pytest.raises(EngineFailure, match="the pull policy is never"),
    ):
        ramalama.start(
            options,
            on_event=lambda event: (
                said.append(event.message) if isinstance(event, Notice) else None
            ),
        )

    assert [words.partition("; ")[0] for words in said] == [
        "there is no image of vLLM for vulkan: it computes on the CPU"
    ]
