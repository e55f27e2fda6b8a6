"""The settings of a handle: where they come from, and what each of them does in the library."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import fields, replace
from typing import TYPE_CHECKING, cast

import pytest

import ramalama
from ramalama import Config, ConfigError, EngineFailure, ModelRef, OptionRefused, Ramalama
from ramalama.config.option_table import SERVER_OPTIONS
from ramalama.models.reference.scheme import Scheme
from ramalama.serving.images import name_of_image
from ramalama.serving.start import ServerStarter
from ramalama_accel.runtime_name import RuntimeName
from ramalama_accel.values import AcceleratorKind
from ramalama_engines.user import InvokingUser
from tests.unit.ramalama.serving.servers import ServerFixture

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import NoReturn

    from ramalama import ServeOptions
    from ramalama.serving.request import StartRequest


@pytest.fixture
def servers(run_dir: Path) -> Generator[ServerFixture]:
    with ServerFixture(root=run_dir) as made:
        yield made


@pytest.fixture
def home(tmp_path: Path) -> Path:
    file = tmp_path / ".config/ramalama/ramalama.conf"
    file.parent.mkdir(parents=True)
    file.write_text('[ramalama]\ntemp = 0.5\nctx_size = 512\nstore = "~/models"\n')
    return tmp_path


def test_a_handle_from_the_environment_has_the_settings_of_the_commands(home: Path) -> None:
    with Ramalama.from_env({"RAMALAMA_CTX_SIZE": "1024"}, home=home) as handle:
        assert (handle.config.temp, handle.config.ctx_size) == (0.5, 1024)
        assert handle.config.source("ctx_size") == "RAMALAMA_CTX_SIZE"
        assert handle.models.base == home / "models"
        assert (handle.user.home, handle.user.uid) == (home, os.getuid())


def test_a_handle_reads_the_environment_of_this_process(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAMALAMA_CONFIG", str(home / ".config/ramalama/ramalama.conf"))
    monkeypatch.setenv("RAMALAMA_NGL", "7")

    with Ramalama() as plain, Ramalama.from_env(home=str(home)) as handle:
        assert handle.config == plain.config
        assert (handle.config.ngl, handle.config.temp) == (7, 0.5)


def test_a_setting_that_is_wrong_is_told_by_its_variable(home: Path) -> None:
    with pytest.raises(ConfigError, match=r"^RAMALAMA_NGL is 'many', which is not "):
        Ramalama.from_env({"RAMALAMA_NGL": "many"}, home=home)


@pytest.mark.parametrize("name", ["config", "engine", "host", "user", "run_dir"])
@pytest.mark.parametrize("value", [7, b"x", ["x"]])
def test_an_argument_of_a_wrong_type_is_refused_by_its_name(name: str, value: object) -> None:
    make = cast("Callable[..., Ramalama]", Ramalama)

    with pytest.raises(OptionRefused, match=rf"^{name} is an? .*, not "):
        make(**{name: value})


def test_an_engine_that_is_only_named_belongs_into_the_settings() -> None:
    with pytest.raises(OptionRefused, match=r"use Config\(engine="):
        cast("Callable[..., Ramalama]", Ramalama)(engine="podman")


def test_a_handle_tells_its_settings_and_where_its_models_are(tmp_path: Path) -> None:
    with Ramalama(Config(store=str(tmp_path), env=("HF_TOKEN=hunter2",))) as handle:
        assert repr(handle) == (
            f"<Ramalama of Config(env=['HF_TOKEN'], store='{tmp_path}'), models in '{tmp_path}'>"
        )


# A value for each setting that is an option of a server, and the field of `ServeOptions` for it.
OF_SERVERS: dict[str, object] = {
    "image": "me/any:1",
    "runtime": "vllm",
    "api": "llama-stack",
    "stack_image": "me/stack:1",
    "pull": "never",
    "network": "bridge",
    "memory": 2**33,
    "oci_runtime": "crun",
    "selinux": False,
    "keep_groups": True,
    "tls_verify": False,
    "env": ("A=b",),
    "ctx_size": 512,
    "temp": 0.25,
    "threads": 3,
    "ngl": 7,
    "model_draft": "smollm2:135m",
}
FIELDS = {spec.key: spec.field for spec in SERVER_OPTIONS}
CONVERTED: dict[str, object] = {
    "env": {"A": "b"},
    "model_draft": ModelRef.parse("smollm2:135m"),
}


class Asked(Exception):
    """Stands for the start of a server."""


def asked(servers: ServerFixture, config: Config, **keywords: object) -> ServeOptions:
    """Return the options with which a server is started for a caller who has *config*."""
    given: list[ServeOptions] = []

    def start(_self: object, request: StartRequest, _undo: object) -> NoReturn:
        given.append(request.options)
        raise Asked

    servers.config = config
    serve = cast("Callable[..., AbstractContextManager[object]]", ramalama.serve)
    with pytest.MonkeyPatch.context() as patch, servers.ramalama() as handle:
        patch.setattr(ServerStarter, "start", start)
        with suppress(Asked), serve(str(servers.model), using=handle, **keywords):
            pass
    return given[0]


@pytest.mark.parametrize("key", OF_SERVERS)
def test_a_setting_of_servers_holds_for_one_that_is_started_by_its_name(
    servers: ServerFixture, key: str
) -> None:
    value = OF_SERVERS[key]
    config = replace(Config(), **{key: value})  # type: ignore[arg-type]  # the key says of which type it is

    without, having = asked(servers, Config()), asked(servers, config)

    name = FIELDS[key]
    assert getattr(without, name) != getattr(having, name)
    assert getattr(having, name) == CONVERTED.get(key, value)
    assert replace(having, **{name: getattr(without, name)}) == without


@pytest.mark.parametrize("key", OF_SERVERS)
def test_what_a_caller_says_wins_over_a_setting(servers: ServerFixture, key: str) -> None:
    config = replace(Config(), **{key: OF_SERVERS[key]})  # type: ignore[arg-type]  # see above
    said = getattr(asked(servers, Config()), FIELDS[key])

    having = asked(servers, config, **{FIELDS[key]: said})

    # Variables are the one exception: those of the settings and of the caller are merged.
    assert getattr(having, FIELDS[key]) == (said if key != "env" else {"A": "b"})


def test_the_settings_of_images_choose_that_of_the_accelerator() -> None:
    config = Config(images={"CUDA_VISIBLE_DEVICES": "me/cuda:1"})

    chosen = name_of_image(config, None, AcceleratorKind.CUDA, RuntimeName.LLAMA_CPP)

    assert chosen == "me/cuda:1"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (Config(engine_url="unix:///nowhere/x.sock"), "unix:///nowhere/x.sock"),
        (Config(connection="elsewhere"), "elsewhere"),
        (Config(engine="docker"), "docker"),
        (Config(engine="podman"), "podman"),
    ],
)
def test_the_settings_of_the_engine_say_which_is_asked(
    tmp_path: Path, config: Config, said: str
) -> None:
    user = InvokingUser(env={}, home=tmp_path, uid=os.getuid(), root=tmp_path)

    with (
        Ramalama(config, user=user, run_dir=tmp_path) as handle,
        pytest.raises(EngineFailure) as caught,
    ):
        handle.connect()

    other = {"docker": "podman", "podman": "docker"}.get(said)
    assert said in str(caught.value)
    assert other is None or other not in str(caught.value)


def test_the_settings_of_models_say_where_they_are_and_whence_they_come(tmp_path: Path) -> None:
    config = Config(store=str(tmp_path), transport=Scheme.HUGGINGFACE, embedding_model="mine")

    with Ramalama(config) as handle:
        assert handle.models.base == tmp_path
        assert handle.models.resolve("org/model").scheme is Scheme.HUGGINGFACE
        assert handle.embedder_access().wanted == "mine"


ELSEWHERE = frozenset(
    ("images", "engine", "engine_url", "connection", "store", "transport", "embedding_model")
)
OF_COMMANDS = {"color", "mcp", "ocr_model", "prefix"}
OF_THE_CONFIG = {"sources", "warnings"}


def test_every_setting_has_an_effect_or_is_said_to_be_one_of_the_commands() -> None:
    known = OF_SERVERS.keys() | ELSEWHERE | OF_COMMANDS | OF_THE_CONFIG
    described = " ".join((Config.__doc__ or "").split())

    assert {each.name for each in fields(Config)} == known
    for name in OF_COMMANDS:
        assert re.search(rf"\b{name}: \(commands only\)", described)
