"""Model files of the user's own: what is served, and what is refused before anything starts."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from ramalama.errors import ModelNotFound, ModelUnreadable, ModelUnsupported
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.scheme import Scheme
from ramalama.models.store.local import open_local
from ramalama.models.store.stored_model import StoredModel
from tests.unit.ramalama.made_up import GGUF

NOBODY = 65534


def write(path: Path, content: bytes = GGUF) -> ModelRef:
    path.write_bytes(content)
    return refer(path)


def refer(path: Path) -> ModelRef:
    return ModelRef(Scheme.FILE, str(path))


def test_a_file_is_used_where_it_lies(tmp_path: Path) -> None:
    reference = write(tmp_path / "granite.gguf")

    assert open_local(reference) == StoredModel(
        reference=reference, weights=(tmp_path / "granite.gguf",)
    )


@pytest.mark.parametrize(
    "name",
    ["model", "two words", '"quoted".gguf', "-n.gguf", "new\nline.gguf", "naïve 🦭", "a:b,c=d"],
)
def test_a_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    assert open_local(write(tmp_path / name)).weights == (tmp_path / name,)


def test_a_name_that_no_engine_can_be_told_is_refused(tmp_path: Path) -> None:
    """Their APIs speak JSON, whose texts are UTF-8."""
    with pytest.raises(ModelUnreadable, match="is not UTF-8") as caught:
        open_local(write(tmp_path / "na\udcefve.gguf"))

    assert str(caught.value).isprintable()


def test_a_link_is_followed_and_keeps_its_name(tmp_path: Path) -> None:
    write(tmp_path / "blob")
    link = tmp_path / "granite.gguf"
    link.symlink_to("blob")

    assert open_local(refer(link)).weights == (link,)


@pytest.mark.parametrize("asked_for", [1, 2, 3])
def test_any_part_of_a_split_model_stands_for_all_of_them(tmp_path: Path, asked_for: int) -> None:
    parts = tuple(tmp_path / f"granite-0000{number}-of-00003.gguf" for number in (1, 2, 3))
    for part in parts:
        write(part)

    assert open_local(refer(parts[asked_for - 1])).weights == parts


def test_a_split_model_without_one_of_its_parts_is_not_there(tmp_path: Path) -> None:
    reference = write(tmp_path / "granite-00001-of-00002.gguf")

    with pytest.raises(ModelNotFound, match=r"no such model file: .*granite-00002-of-00002\.gguf"):
        open_local(reference)


@pytest.mark.parametrize("count", ["00000", "01000", "99999"])
def test_a_name_that_claims_too_many_parts_is_refused(tmp_path: Path, count: str) -> None:
    reference = write(tmp_path / f"granite-00001-of-{count}.gguf")

    with pytest.raises(ModelUnsupported, match="says that it is part of"):
        open_local(reference)


@pytest.mark.parametrize("name", ["missing.gguf", "granite.gguf/below"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    write(tmp_path / "granite.gguf")

    with pytest.raises(ModelNotFound, match=f"no such model file: {tmp_path / name}"):
        open_local(refer(tmp_path / name))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (GGUF[:10], "is cut off after 10 bytes"),
        (b"hello", "is not a GGUF file"),
    ],
)
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    with pytest.raises(ModelUnsupported, match=complaint):
        open_local(write(tmp_path / "granite.gguf", content))


def test_a_directory_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(ModelUnsupported, match=r"is a directory; name the \.gguf file in it"):
        open_local(refer(tmp_path))


def directory(path: Path, *names: str, parameters: str | None = None) -> ModelRef:
    """Write a model as Hugging Face has it; of its weights there is only the name."""
    path.mkdir()
    for name in ("config.json", *names):
        (path / name).write_bytes(b"{}")
    if parameters is not None:
        (path / "generation_config.json").write_text(parameters)
    return refer(path)


def test_a_directory_of_safetensors_is_a_model(tmp_path: Path) -> None:
    names = ("model-00002-of-00002.safetensors", "model-00001-of-00002.safetensors", "README")
    reference = directory(tmp_path / "Qwen2.5", *names)

    assert open_local(reference) == StoredModel(
        reference=reference,
        weights=(tmp_path / "Qwen2.5" / names[1], tmp_path / "Qwen2.5" / names[0]),
        directory=tmp_path / "Qwen2.5",
    )


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        (
            '{"temperature": 0.6, "top_k": 20, "repetition_penalty": 1.1, "eos_token_id": 2}',
            {"temperature": 0.6, "top_k": 20, "repeat_penalty": 1.1},
        ),
        ('{"temperature": "hot", "top_p": null, "min_p": [1]}', {}),
        ("[1]", {}),
        ("not JSON", {}),
        ("[" * 100_000, {}),
        ('{"top_k": ' + "1" * 100_000 + "}", {}),
        (" " * (2 << 20) + "{}", {}),
    ],
    ids=[
        "numbers",
        "no numbers",
        "no object",
        "no JSON",
        "too deep",
        "too many digits",
        "too long",
    ],
)
def test_what_its_author_wants_it_sampled_with_is_read_as_far_as_it_makes_sense(
    tmp_path: Path, text: str, parameters: dict[str, object]
) -> None:
    reference = directory(tmp_path / "granite", "model.safetensors", parameters=text)

    assert open_local(reference).parameters == parameters


@pytest.mark.parametrize("present", ["config.json", "model.safetensors"])
def test_half_a_directory_is_none(tmp_path: Path, present: str) -> None:
    (tmp_path / present).write_bytes(b"{}")

    with pytest.raises(ModelUnsupported, match=r"or a directory with config\.json and safetensors"):
        open_local(refer(tmp_path))


def test_links_that_lead_out_of_the_directory_are_refused(tmp_path: Path) -> None:
    """As in Hugging Face's own cache, whose snapshots are nothing else."""
    reference = directory(tmp_path / "snapshot")
    write(tmp_path / "blob")
    (tmp_path / "snapshot/model.safetensors").symlink_to("../blob")

    with pytest.raises(ModelUnsupported, match=r"model\.safetensors links to a file .* `cp "):
        open_local(reference)


def test_links_within_the_directory_are_followed(tmp_path: Path) -> None:
    reference = directory(tmp_path / "real", "weights")
    (tmp_path / "real/model.safetensors").symlink_to("weights")
    (tmp_path / "granite").symlink_to("real")

    assert open_local(refer(tmp_path / "granite")).directory == tmp_path / "granite"
    assert open_local(reference).weights == (tmp_path / "real/model.safetensors",)


def test_a_fifo_is_refused_without_blocking(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")

    with pytest.raises(ModelUnsupported, match="is not a regular file"):
        open_local(refer(tmp_path / "fifo"))


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/tty", "/dev/null"])
def test_a_device_is_refused(device: str) -> None:
    with pytest.raises(ModelUnsupported, match="is not a regular file"):
        open_local(refer(Path(device)))


def test_a_socket_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))

        with pytest.raises(ModelUnsupported, match="is not a regular file"):
            open_local(refer(tmp_path / "s"))


def test_a_loop_of_links_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")

    with pytest.raises(ModelUnreadable, match="cannot be read: Too many levels of symbolic links"):
        open_local(refer(tmp_path / "a"))


def test_a_name_longer_than_the_file_system_allows_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(ModelUnreadable, match="File name too long"):
        open_local(refer(tmp_path / ("x" * 300)))


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o644, 0o444])
def test_a_file_that_its_owner_may_read_is_served_to_its_owner(tmp_path: Path, mode: int) -> None:
    reference = write(tmp_path / "granite.gguf")
    Path(reference.location).chmod(mode)

    assert open_local(reference).weights == (tmp_path / "granite.gguf",)


@pytest.mark.parametrize("mode", [0o000, 0o200, 0o044, 0o077])
def test_a_file_closed_to_its_owner_is_unreadable_even_to_root(tmp_path: Path, mode: int) -> None:
    """The server runs without root's privileges, and the mode's first digit is the owner's."""
    reference = write(tmp_path / "granite.gguf")
    Path(reference.location).chmod(mode)

    with pytest.raises(ModelUnreadable, match=r"granite\.gguf"):
        open_local(reference)


@pytest.fixture
def another_users(tmp_path: Path) -> Path:
    """A file that its owner alone may read, who is not the user that runs the tests."""
    if os.geteuid() != 0:
        return Path("/etc/shadow")
    path = tmp_path / "granite.gguf"
    path.write_bytes(GGUF)
    path.chmod(0o600)
    os.chown(path, NOBODY, NOBODY)
    return path


def test_a_file_of_another_user_is_unreadable_even_to_root(another_users: Path) -> None:
    with pytest.raises(ModelUnreadable, match=str(another_users)):
        open_local(refer(another_users))
