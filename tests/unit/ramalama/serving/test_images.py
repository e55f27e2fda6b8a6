"""Who is asked for an image's password, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ramalama._version import __version__
from ramalama.serving.images import ImageRequest, describe_stand_in, fetch_image
from ramalama_accel import VLLM_IMAGES, AcceleratorKind, RuntimeName, default_image
from ramalama_engines import ImagePullError, InvokingUser, PullPolicy
from ramalama_engines.fake import FakeEngine
from tests.unit.ramalama.made_up import IMAGE
from tests.unit.ramalama.serving.servers import IMAGE_NAME

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """An authentication file that is none."""
    file = tmp_path / "auth.json"
    file.write_text("not JSON")
    return file


def somebody(home: Path, **env: Path) -> InvokingUser:
    return InvokingUser(
        env={name: str(path) for name, path in env.items()}, home=home, uid=1000, root=home
    )


def test_a_start_with_a_local_image_reads_no_password(broken: Path, tmp_path: Path) -> None:
    user = somebody(tmp_path, REGISTRY_AUTH_FILE=broken)

    with FakeEngine(images={IMAGE_NAME: IMAGE}) as engine:
        assert fetch_image(engine, user, ImageRequest(name=IMAGE_NAME)) == IMAGE


def test_a_file_that_the_user_names_is_read_even_then(broken: Path, tmp_path: Path) -> None:
    request = ImageRequest(name=IMAGE_NAME, authfile=broken)

    with (
        FakeEngine(images={IMAGE_NAME: IMAGE}) as engine,
        pytest.raises(ImagePullError, match=r"auth\.json is not valid JSON"),
    ):
        fetch_image(engine, somebody(tmp_path), request)


@pytest.mark.parametrize("policy", [PullPolicy.ALWAYS, PullPolicy.NEWER])
def test_so_is_any_where_the_registry_will_be_asked(
    policy: PullPolicy, broken: Path, tmp_path: Path
) -> None:
    user = somebody(tmp_path, REGISTRY_AUTH_FILE=broken)
    request = ImageRequest(name=IMAGE_NAME, pull_policy=policy)

    with (
        FakeEngine(images={IMAGE_NAME: IMAGE}) as engine,
        pytest.raises(ImagePullError, match=r"auth\.json is not valid JSON"),
    ):
        fetch_image(engine, user, request)


@pytest.mark.parametrize("kind", list(AcceleratorKind))
def test_where_vllm_has_no_image_for_what_there_is_that_is_said(kind: AcceleratorKind) -> None:
    image = default_image(kind, version=__version__, runtime=RuntimeName.VLLM)

    said = describe_stand_in(image, kind, RuntimeName.VLLM)

    if kind in VLLM_IMAGES:
        assert said is None
    else:
        assert said is not None
        assert said.startswith(f"there is no image of vLLM for {kind}: it computes on the CPU; ")


@pytest.mark.parametrize(
    ("image", "runtime"),
    [("quay.io/me/vllm-ascend:1", RuntimeName.VLLM), (IMAGE_NAME, RuntimeName.LLAMA_CPP)],
)
def test_nothing_is_said_of_an_image_that_the_user_names_or_that_uses_the_gpu(
    image: str, runtime: RuntimeName
) -> None:
    assert describe_stand_in(image, AcceleratorKind.ASCEND, runtime) is None
