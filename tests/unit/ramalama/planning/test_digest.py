"""Which servers are the same, and which are not."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ramalama.config.api_name import ApiName
from ramalama.config.defaults import DEFAULT_CONTEXT, DEFAULT_TEMPERATURE
from ramalama.config.options import ServeOptions
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.scheme import Scheme
from ramalama.models.store.stored_model import StoredModel
from ramalama.planning.digest import (
    OTHER_ACCELERATOR,
    OTHER_OPTIONS,
    SHAPING_ACCELERATOR,
    SHAPING_OPTIONS,
    server_digest,
)
from ramalama.planning.inputs import LaunchEnvironment, PlanInputs
from ramalama.planning.placement import LocalFiles
from ramalama_accel import Accelerator, AcceleratorKind, Gpu
from ramalama_accel.runtime_name import RuntimeName
from ramalama_accel.values import Memory, MemorySource
from ramalama_engines import HostDevice, LocalImage
from ramalama_engines.kinds import PullPolicy
from tests.unit.ramalama.made_up import GGUF, HERE, INPUTS, LEASE, OPTIONS, STORED

if TYPE_CHECKING:
    from collections.abc import Mapping

DIGEST = server_digest(INPUTS, HERE)

OTHER_VALUES: Mapping[str, object] = {
    "model": ModelRef(Scheme.OLLAMA, "library/granite", "8b"),
    "draft": ModelRef(Scheme.OLLAMA, "library/granite", "1b"),
    "runtime": RuntimeName.VLLM,
    "ctx_size": 4096,
    "ngl": 7,
    "threads": 7,
    "temp": 0.1,
    "seed": 1,
    "parallel": 1,
    "api": ApiName.LLAMA_STACK,
    "runtime_args": ("--verbose",),
    "image": "quay.io/me/mine:1",
    "stack_image": "quay.io/me/stack:1",
    "pull_policy": PullPolicy.NEVER,
    "network": "bridge",
    "port": 9000,
    "host": "192.0.2.7",
    "api_key": "open-sesame",
    "rag": "docs",
    "name": "mine",
    "env": {"A": "1"},
    "devices": (HostDevice(source="/dev/fuse", target="/dev/fuse"),),
    "privileged": True,
    "keep_groups": True,
    "selinux": False,
    "oci_runtime": "crun",
    "memory": 1 << 30,
    "authfile": Path("/x"),
    "tls_verify": False,
    "force": True,
    "embeddings": True,
}
"""For each option another value than that of `OPTIONS`."""

OTHER_HARDWARE: Mapping[str, object] = {
    "kind": AcceleratorKind.CUDA,
    "gpus": (Gpu(index=0),),
    "cdi_devices": ("nvidia.com/gpu=all",),
    "device_paths": ("/dev/dri/renderD128",),
    "library_paths": ("/usr/local/dcmi",),
    "groups": (44,),
    "oci_runtime": "nvidia-container-runtime",
    "env": {"CUDA_VISIBLE_DEVICES": "0"},
    "driver_version": "570.1",
    "reason": "somebody said so",
}

OTHER_PLACES: Mapping[str, object] = {
    "rootless": True,
    "uid": 1,
    "gid": 1,
    "threads": 8,
}
"""Of `LaunchEnvironment`, what makes another server; the rest belongs to one start."""

OF_ONE_START: Mapping[str, object] = {
    "engine": "docker",  # servers are looked for on one engine
    "instance": HERE.instance,
    "identity": replace(LEASE, pid=43),
    "container_name": "ramalama-1",
    "api_key": "another",
    "host_port": 40000,
    "placement": LocalFiles(has_sockets=False),
    "beside": LocalFiles(has_sockets=False),
}


def digest_with(**changes: object) -> str:
    options: ServeOptions = replace(OPTIONS, **changes)  # type: ignore[arg-type]  # names of its fields
    return server_digest(replace(INPUTS, options=options), HERE)


def digest_on(accelerator: Accelerator, options: ServeOptions = OPTIONS) -> str:
    return server_digest(replace(INPUTS, options=options, accelerator=accelerator), HERE)


def digest_of(model: StoredModel) -> str:
    return server_digest(replace(INPUTS, model=model), HERE)


def test_every_option_either_shapes_a_server_or_is_named_as_one_that_does_not() -> None:
    names = {field.name for field in fields(ServeOptions)}

    assert names == SHAPING_OPTIONS | OTHER_OPTIONS == OTHER_VALUES.keys()
    assert not SHAPING_OPTIONS & OTHER_OPTIONS


@pytest.mark.parametrize("name", OTHER_VALUES)
def test_an_option_makes_another_server_exactly_if_it_shapes_one(name: str) -> None:
    differs = digest_with(**{name: OTHER_VALUES[name]}) != DIGEST

    assert differs is (name in SHAPING_OPTIONS)


def test_every_field_of_an_accelerator_is_known_to_count_or_not_to() -> None:
    names = {field.name for field in fields(Accelerator)}

    assert names == SHAPING_ACCELERATOR | OTHER_ACCELERATOR == OTHER_HARDWARE.keys()
    assert not SHAPING_ACCELERATOR & OTHER_ACCELERATOR


@pytest.mark.parametrize("name", OTHER_HARDWARE)
def test_what_a_container_gets_of_an_accelerator_makes_another_server(name: str) -> None:
    other: Accelerator = replace(INPUTS.accelerator, **{name: OTHER_HARDWARE[name]})  # type: ignore[arg-type]  # a row of the table

    assert (digest_on(other) != DIGEST) is (name in SHAPING_ACCELERATOR | {"gpus"})


def test_memory_that_others_take_meanwhile_makes_no_difference() -> None:
    def card(free: int) -> Accelerator:
        memory = Memory(total=8 << 30, source=MemorySource.KERNEL, free=free)
        return Accelerator(kind=AcceleratorKind.CUDA, gpus=(Gpu(index=0, memory=memory),))

    assert digest_on(card(1 << 30)) == digest_on(card(2 << 30))


def test_a_server_without_devices_is_the_same_whatever_cards_it_does_not_see() -> None:
    without = replace(OPTIONS, devices=())
    cards = Accelerator(
        kind=AcceleratorKind.CUDA,
        gpus=(Gpu(index=0),),
        cdi_devices=("nvidia.com/gpu=all",),
        env={"CUDA_VISIBLE_DEVICES": "0"},
    )

    assert digest_on(cards, without) == digest_on(INPUTS.accelerator, without)


def test_every_part_of_the_place_is_known_to_count_or_not_to() -> None:
    names = {field.name for field in fields(LaunchEnvironment)}

    assert names == OTHER_PLACES.keys() | OF_ONE_START.keys()


@pytest.mark.parametrize("name", [*OTHER_PLACES, *OF_ONE_START])
def test_what_belongs_to_one_start_makes_no_other_server(name: str) -> None:
    here: LaunchEnvironment = replace(HERE, **{name: {**OTHER_PLACES, **OF_ONE_START}[name]})  # type: ignore[arg-type]  # a row of the tables

    assert (server_digest(INPUTS, here) != DIGEST) is (name in OTHER_PLACES)


@pytest.mark.parametrize(
    ("name", "default"),
    [("ctx_size", DEFAULT_CONTEXT), ("temp", DEFAULT_TEMPERATURE), ("threads", HERE.threads)],
)
def test_who_asks_for_the_default_asks_for_the_same(name: str, default: object) -> None:
    assert digest_with(**{name: default}) == DIGEST


def test_the_order_of_an_environment_makes_no_difference() -> None:
    assert digest_with(env={"A": "1", "B": "2"}) == digest_with(env={"B": "2", "A": "1"})


@pytest.mark.parametrize(
    "change",
    [
        {"parameters": {"temperature": 0.1}},
        {"template_name": "chatml"},
        {"adapters": (Path("/models/lora.gguf"),)},
        {"projectors": (Path("/models/mmproj.gguf"),)},
        {"draft": Path("/models/small.gguf")},
        {"chat_template": Path("/models/template.jinja")},
        {"reference": ModelRef(Scheme.OLLAMA, "library/granite", "8b")},
    ],
    ids=lambda change: next(iter(change)),
)
def test_all_that_a_server_is_told_of_its_model_counts(change: dict[str, object]) -> None:
    other: StoredModel = replace(STORED, **change)  # type: ignore[arg-type]  # a row of the table

    assert digest_of(other) != DIGEST


def test_what_only_clients_are_told_of_a_model_does_not_count() -> None:
    assert digest_of(replace(STORED, system="Be brief.", messages=(("user", "Hi"),))) == DIGEST


def test_a_file_counts_by_what_the_kernel_knows_of_it(tmp_path: Path) -> None:
    def model(folder: str) -> StoredModel:
        return replace(STORED, weights=(tmp_path / folder / "granite.gguf",))

    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    first = tmp_path / "a/granite.gguf"
    first.write_bytes(GGUF)
    (tmp_path / "b/granite.gguf").hardlink_to(first)
    before = digest_of(model("a"))

    assert digest_of(model("b")) == before
    first.write_bytes(GGUF + b"new")
    assert digest_of(model("a")) != before


def test_each_file_of_a_directory_counts(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text("{}")
    model = StoredModel(
        reference=ModelRef(Scheme.HUGGINGFACE, "ibm/granite"),
        weights=(tmp_path / "model.safetensors",),
        directory=tmp_path,
    )
    before = digest_of(model)

    config.write_text('{"a": 1}')

    assert digest_of(model) != before


def test_the_image_counts_by_its_id_and_by_its_name_before_it_is_looked_up() -> None:
    def digest(name: str, image: LocalImage | None) -> str:
        return server_digest(replace(INPUTS, image_name=name, image=image), HERE)

    newer = LocalImage(id="sha256:2")
    assert digest(INPUTS.image_name, newer) != DIGEST
    assert digest("another:1", INPUTS.image) == DIGEST
    assert digest("another:1", None) != digest(INPUTS.image_name, None)


def test_every_input_is_known_to_these_tests() -> None:
    names = {field.name for field in fields(PlanInputs)}

    # The estimate of the memory and the limits of texts follow from options and model.
    shaping = {"options", "model", "accelerator", "image_name", "image", "stack_name", "stack"}
    assert names == shaping | {"embedder"} | {"model_memory", "embedding"}


def test_an_embeddings_server_beside_counts_with_all_that_counts_of_it() -> None:
    embedder = replace(INPUTS, options=replace(OPTIONS, embeddings=True))

    digests = [
        server_digest(replace(INPUTS, embedder=each), HERE)
        for each in (None, embedder, replace(embedder, image=LocalImage(id="sha256:2")))
    ]

    assert len(set(digests)) == 3
    assert digests[0] == DIGEST
