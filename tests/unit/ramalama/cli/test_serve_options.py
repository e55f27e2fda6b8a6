"""From the words of a command line to `ServeOptions`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ramalama.cli.invocation import parser
from ramalama.cli.options.serve import (
    ServeArguments,
    add_serve_options,
    join_dashed,
    serve_options,
    split_at_dashes,
)
from ramalama.config.config import Config, resolve_env
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.scheme import Scheme
from ramalama_accel import RuntimeName
from ramalama_engines import CdiDevice, EngineKind, HostDevice, PullPolicy
from tests.unit.ramalama.made_up import OPTIONS

if TYPE_CHECKING:
    from ramalama.config.options import ServeOptions

HOST = {"SET": "host's", "EMPTY": ""}
FUSE = HostDevice(source="/dev/fuse", target="/dev/fuse")
SMALL = ModelRef(Scheme.OLLAMA, "library/smollm2", "135m")
RENDER = HostDevice(source="/dev/dri/renderD128", target="/dev/xvdc")


def read(*words: str) -> ServeArguments:
    arguments = parser("run", "run a model")
    arguments.add_argument("model")
    add_serve_options(arguments)
    return arguments.parse_args(join_dashed([*words, "/models/granite.gguf"]), ServeArguments())


def options(*words: str, config: Config | None = None) -> ServeOptions:
    return serve_options(read(*words), ModelRef.parse, config or Config(), HOST, parallel=None)


def complaint(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as caught:
        read(*words)
    assert caught.value.code == 2
    return capsys.readouterr().err


def test_without_options_the_settings_decide_and_theirs_are_the_manual_pages() -> None:
    assert options() == OPTIONS


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ("-c 8192", {"ctx_size": 8192}),
        ("-c8192", {"ctx_size": 8192}),
        ("--ctx-size 0", {"ctx_size": 0}),
        ("--runtime vllm", {"runtime": RuntimeName.VLLM}),
        ("--runtime=llama.cpp", {"runtime": RuntimeName.LLAMA_CPP}),
        ("--ctx-size=1", {"ctx_size": 1}),
        ("--max-model-len 4096", {"ctx_size": 4096}),
        ("--ngl -1", {"ngl": -1}),
        ("--ngl 0", {"ngl": 0}),
        ("--ngl 999", {"ngl": 999}),
        ("--ngl all", {"ngl": 999}),
        ("--ngl auto", {"ngl": -1}),
        ("--temp 0", {"temp": 0.0}),
        ("--temp 1.5", {"temp": 1.5}),
        ("--model-draft smollm2:135m", {"draft": SMALL}),
        ("--model-draft none", {}),
        ("--seed 7", {"seed": 7}),
        ("--seed -1", {"seed": -1}),
        ("-t 3", {"threads": 3}),
        ("--threads 3", {"threads": 3}),
        ("-n mine", {"name": "mine"}),
        ("--name mine", {"name": "mine"}),
        ("--network bridge", {"network": "bridge"}),
        ("--net host", {"network": "host"}),
        ("-p 8080", {"port": 8080}),
        ("--port 65535", {"port": 65535}),
        ("--device /dev/fuse", {"devices": (FUSE,)}),
        (
            "--device=/dev/dri/renderD128:/dev/xvdc:rwm --device /dev/fuse",
            {"devices": (RENDER, FUSE)},
        ),
        ("--device /dev/fuse:r", {"devices": (replace(FUSE, permissions="r"),)}),
        ("--device nvidia.com/gpu=0", {"devices": (CdiDevice(name="nvidia.com/gpu=0"),)}),
        ("--device none", {"devices": ()}),
        ("--device /dev/fuse --device none", {"devices": ()}),
        ("--env A=1 --env B=x=y --env C=", {"env": {"A": "1", "B": "x=y", "C": ""}}),
        ("--env SET --env EMPTY --env UNSET", {"env": {"SET": "host's", "EMPTY": ""}}),
        ("--env A=1 --env A=2", {"env": {"A": "2"}}),
        ("--keep-groups", {"keep_groups": True}),
        ("--oci-runtime crun", {"oci_runtime": "crun"}),
        ("--memory 16g", {"memory": 16 << 30}),
        ("--memory=512M", {"memory": 512 << 20}),
        ("--memory 4096", {"memory": 4096}),
        ("--memory none", {"memory": 0}),
        ("--privileged", {"privileged": True}),
        ("--selinux false", {"selinux": False}),
        ("--selinux=TRUE", {"selinux": True}),
        ("--image quay.io/me/img:1", {"image": "quay.io/me/img:1"}),
        ("--pull always", {"pull_policy": PullPolicy.ALWAYS}),
        ("--pull=never", {"pull_policy": PullPolicy.NEVER}),
        ("--pull newer", {"pull_policy": PullPolicy.NEWER}),
        ("--authfile /x/auth.json", {"authfile": Path("/x/auth.json")}),
        ("--tls-verify false", {"tls_verify": False}),
        ("--tls-verify=no", {"tls_verify": False}),
    ],
)
def test_each_option_of_the_manual_page_changes_what_it_says(
    words: str, changes: dict[str, object]
) -> None:
    expected = replace(OPTIONS, **changes)  # type: ignore[arg-type]  # each row names its fields

    assert options(*words.split()) == expected


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        (["--runtime-args", "--jinja"], ("--jinja",)),
        (["--runtime-args", "-n 40"], ("-n", "40")),
        (["--runtime-args=-n 40"], ("-n", "40")),
        (["--runtime-args", "-n"], ("-n",)),
        (["--runtime-args", "--alias 'two words'"], ("--alias", "two words")),
        (["--runtime-args", "-a 1", "--runtime-args=-b 2"], ("-a", "1", "-b", "2")),
        (["--runtime-args", ""], ()),
        (["--runtime-args", "--privileged"], ("--privileged",)),
    ],
)
def test_arguments_for_the_server_are_split_as_a_shell_does(
    words: list[str], arguments: tuple[str, ...]
) -> None:
    asked = options(*words)

    assert asked.runtime_args == arguments
    assert not asked.privileged


def test_after_two_dashes_words_are_only_words() -> None:
    words = ["--runtime-args", "-n 40", "m", "--", "--runtime-args", "x"]

    assert join_dashed(words) == ["--runtime-args=-n 40", "m", "--", "--runtime-args", "x"]


def test_an_option_for_the_server_without_its_value_is_left_for_the_parser_to_refuse() -> None:
    assert join_dashed(["m", "--runtime-args"]) == ["m", "--runtime-args"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--runtime", "mlx"], "argument --runtime: 'mlx' is not one of llama.cpp, vllm"),
        (["--ctx-size", "many"], "'many' is not a whole number of 0 or more"),
        (["--ctx-size", "-5"], "'-5' is not a whole number of 0 or more"),
        (["--ngl", "-2"], "'-2' is not a whole number of -1 or more"),
        (["--threads", "0"], "'0' is not a whole number of 1 or more"),
        (["--temp", "-1"], "'-1' is not a temperature of 0 or more"),
        (["--temp", "nan"], "'nan' is not a temperature of 0 or more"),
        (["--model-draft", ""], "argument --model-draft: '' is not a text"),
        (["--seed", "x"], "'x' is not a whole number of 64 bits"),
        (["--port", "0"], "'0' is not a whole number from 1 to 65535"),
        (["--port", "65536"], "'65536' is not a whole number from 1 to 65535"),
        (["--port", "-1"], "'-1' is not a whole number from 1 to 65535"),
        (["--memory", "much"], "'much' is not a size such as 512m or 8g, or none"),
        (["--memory", "-1"], "'-1' is not a size such as 512m or 8g, or none"),
        (["--memory", "1.5g"], "'1.5g' is not a size such as 512m or 8g, or none"),
        (["--memory", "9999999999t"], "'9999999999t' is not a size such as 512m or 8g, or none"),
        (["--memory", "9" * 5000], "is not a size such as 512m or 8g, or none"),
        (["--memory", ""], "'' is not a size such as 512m or 8g, or none"),
        (["--selinux", "maybe"], "'maybe' is not true or false"),
        (["--tls-verify", ""], "'' is not true or false"),
        (["--pull", "often"], "argument --pull: "),
        (["--env", "=x"], "'=x' is not NAME or NAME=VALUE"),
        (["--env", ""], "argument --env: "),
        (["--name", ""], "argument -n/--name: '' is not a text"),
        (["--image", ""], "argument --image: '' is not a text"),
        (["--network", ""], "argument --network/--net: '' is not a text"),
        (["--device", "fuse"], "argument --device: "),
        (["--device", "/dev/fuse:/dev/x:rwx"], "argument --device: "),
        (["--runtime-args", "it's"], "is not something a shell could split"),
        (["--engine", "lxc"], "argument --engine: "),
        (["--quiet", "--debug"], "not allowed with argument"),
        (["--no-such-option"], "unrecognized arguments: --no-such-option"),
        (["--ctx"], "unrecognized arguments: --ctx"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line_that_says_what_would(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    err = complaint(capsys, *words)

    assert said in err
    assert err.startswith("Error: ")
    assert err.endswith("; see `ramalama run --help`\n")
    assert err.count("\n") == 1


def test_what_is_refused_reaches_the_terminal_without_its_control_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "\x1b" not in complaint(capsys, "--port", "\x1b[2J")


CONFIG = Config(
    runtime=RuntimeName.VLLM,
    pull=PullPolicy.NEVER,
    network="bridge",
    memory=1 << 30,
    oci_runtime="crun",
    selinux=False,
    keep_groups=True,
    tls_verify=False,
    env=("A=1", "SET"),
    ctx_size=512,
    temp=0.1,
    threads=2,
    ngl=5,
    model_draft="smollm2:135m",
)


def test_where_the_command_line_is_silent_the_settings_hold() -> None:
    assert options(config=CONFIG) == replace(
        OPTIONS,
        runtime=RuntimeName.VLLM,
        pull_policy=PullPolicy.NEVER,
        network="bridge",
        memory=1 << 30,
        oci_runtime="crun",
        selinux=False,
        keep_groups=True,
        tls_verify=False,
        env={"A": "1", "SET": "host's"},
        ctx_size=512,
        temp=0.1,
        threads=2,
        ngl=5,
        draft=SMALL,
    )


def test_the_command_line_wins_over_the_settings_also_with_a_value_that_looks_like_nothing() -> (
    None
):
    words = (
        "--ctx-size 0 --ngl 0 --temp 0 --selinux true --tls-verify true --network none --env A= "
        "--model-draft none"
    )

    made = options(*words.split(), config=CONFIG)

    assert (made.ctx_size, made.ngl, made.temp, made.network) == (0, 0, 0.0, "none")
    assert (made.selinux, made.tls_verify) == (True, True)
    assert made.env == {"A": "", "SET": "host's"}
    assert made.draft is None


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        (["A=1"], {"A": "1"}),
        (["A="], {"A": ""}),
        (["A==1"], {"A": "=1"}),
        (["SET"], {"SET": "host's"}),
        (["UNSET"], {}),
        (["A=1", "A"], {"A": "1"}),
        (["SET=mine", "SET"], {"SET": "host's"}),
        (["A=two words\nand lines"], {"A": "two words\nand lines"}),
    ],
)
def test_a_variable_without_a_value_is_the_hosts_and_only_if_set_there(
    items: list[str], expected: dict[str, str]
) -> None:
    assert resolve_env(items, HOST) == expected


def test_global_options_are_understood_by_every_command() -> None:
    arguments = read("--engine", "docker", "--dryrun", "--debug")

    assert (arguments.engine, arguments.dryrun, arguments.debug) == (EngineKind.DOCKER, True, True)


@pytest.mark.parametrize(
    ("words", "options", "literal"),
    [
        (["m", "hello"], ["m", "hello"], []),
        (["-c", "5", "m", "--", "-c", "6"], ["-c", "5", "m"], ["-c", "6"]),
        (["--", "./m", "--", "-x"], [], ["./m", "--", "-x"]),
    ],
)
def test_what_follows_two_dashes_is_no_option(
    words: list[str], options: list[str], literal: list[str]
) -> None:
    before, after = split_at_dashes(words)

    assert [*before] == options
    assert [*after] == literal
