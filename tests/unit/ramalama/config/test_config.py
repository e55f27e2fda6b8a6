"""Settings: which of them hold, and where each came from."""

from __future__ import annotations

import traceback
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from ramalama.config.api_name import ApiName
from ramalama.config.config import Config, config_files
from ramalama.errors import ConfigError
from ramalama.models.reference.scheme import Scheme
from ramalama_accel import RuntimeName
from ramalama_chat.tools.server_address import ToolServerAddress
from ramalama_engines import EngineKind, PullPolicy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def write(path: Path, settings: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"[ramalama]\n{settings}\n", encoding="utf-8")
    return path


def load_file(tmp_path: Path, settings: str) -> Config:
    return Config.load({}, [write(tmp_path / "ramalama.conf", settings)])


def test_without_files_and_variables_the_manual_pages_defaults_hold() -> None:
    config = Config.load({"PATH": "/bin", "RAMALAMA_UNHEARD_OF": "1"}, [])

    assert config == Config()
    assert (config.ngl, config.network, config.transport) == (-1, "none", Scheme.OLLAMA)
    assert (config.pull, config.selinux, config.keep_groups) == (PullPolicy.MISSING, True, False)
    assert config.source("temp") == "default"


def test_a_later_file_wins_over_an_earlier_one_and_the_environment_over_both(
    tmp_path: Path,
) -> None:
    system = write(tmp_path / "system.conf", 'temp = 0.1\nctx_size = 1\nimage = "a"')
    user = write(tmp_path / "user.conf", "temp = 0.2\nctx_size = 2")

    config = Config.load({"RAMALAMA_TEMP": "0.3"}, [system, user])

    assert (config.temp, config.ctx_size, config.image) == (0.3, 2, "a")


def test_every_setting_tells_where_it_came_from(tmp_path: Path) -> None:
    file = write(tmp_path / "ramalama.conf", "temp = 0.1\nngl = 3")
    env = {"RAMALAMA_TEMP": "0.3", "RAMALAMA_CONTAINER_ENGINE": "docker"}

    config = Config.load(env, [file])

    assert {key: config.source(key) for key in ("temp", "ngl", "engine", "image")} == {
        "temp": "RAMALAMA_TEMP",
        "ngl": f"ngl in {file}",
        "engine": "RAMALAMA_CONTAINER_ENGINE",
        "image": "default",
    }


ALL_SETTINGS = """
engine = "docker"
engine_url = "ssh://me@gpu"
image = "quay.io/me/img:1"
images = { CUDA_VISIBLE_DEVICES = "quay.io/me/cuda:1" }
runtime = "vllm"
api = "llama-stack"
stack_image = "quay.io/me/stack:1"
pull = "never"
network = "bridge"
memory = "16g"
oci_runtime = "crun"
selinux = false
keep_groups = true
tls_verify = false
env = ["A=1", "HF_TOKEN"]
ctx_size = 0
temp = 0
threads = 3
ngl = "all"
store = "/models"
model_draft = "smollm2:135m"
mcp.github = { url = "https://h/mcp", headers = { Authorization = "Bearer ${TOKEN}" } }
embedding_model = "embeddinggemma"
ocr_model = "qwen2.5vl:3b"
transport = "huggingface"
prefix = "you> "
color = "never"
"""
ALL_VARIABLES = {
    "RAMALAMA_CONTAINER_ENGINE": "docker",
    "RAMALAMA_ENGINE_URL": "ssh://me@gpu",
    "RAMALAMA_IMAGE": "quay.io/me/img:1",
    "RAMALAMA_IMAGES": '{"CUDA_VISIBLE_DEVICES": "quay.io/me/cuda:1"}',
    "RAMALAMA_RUNTIME": "vllm",
    "RAMALAMA_API": "ogx",
    "RAMALAMA_STACK_IMAGE": "quay.io/me/stack:1",
    "RAMALAMA_PULL": "never",
    "RAMALAMA_NETWORK": "bridge",
    "RAMALAMA_MEMORY": "16384M",
    "RAMALAMA_OCI_RUNTIME": "crun",
    "RAMALAMA_SELINUX": "false",
    "RAMALAMA_KEEP_GROUPS": "1",
    "RAMALAMA_TLS_VERIFY": "no",
    "RAMALAMA_ENV": "A=1,HF_TOKEN",
    "RAMALAMA_CTX_SIZE": "0",
    "RAMALAMA_TEMP": "0",
    "RAMALAMA_THREADS": "3",
    "RAMALAMA_NGL": "999",
    "RAMALAMA_STORE": "/models",
    "RAMALAMA_MODEL_DRAFT": "smollm2:135m",
    "RAMALAMA_MCP": '{"github": {"url": "https://h/mcp", '
    '"headers": {"Authorization": "Bearer ${TOKEN}"}}}',
    "RAMALAMA_EMBEDDING_MODEL": "embeddinggemma",
    "RAMALAMA_OCR_MODEL": "qwen2.5vl:3b",
    "RAMALAMA_TRANSPORT": "hf",
    "RAMALAMA_PREFIX": "you> ",
    "RAMALAMA_COLOR": "never",
}
# `connection` cannot be set together with `engine_url`.
SETTINGS = {field.name for field in fields(Config)} - {"sources", "warnings", "connection"}


def test_a_file_and_the_environment_can_say_the_same_of_every_setting(tmp_path: Path) -> None:
    by_file = load_file(tmp_path, ALL_SETTINGS)
    by_environment = Config.load(ALL_VARIABLES, [])

    expected = Config(
        engine=EngineKind.DOCKER,
        engine_url="ssh://me@gpu",
        image="quay.io/me/img:1",
        images={"CUDA_VISIBLE_DEVICES": "quay.io/me/cuda:1"},
        runtime=RuntimeName.VLLM,
        api=ApiName.LLAMA_STACK,
        stack_image="quay.io/me/stack:1",
        pull=PullPolicy.NEVER,
        network="bridge",
        memory=16 << 30,
        oci_runtime="crun",
        selinux=False,
        keep_groups=True,
        tls_verify=False,
        env=("A=1", "HF_TOKEN"),
        ctx_size=0,
        temp=0.0,
        threads=3,
        ngl=999,
        store="/models",
        model_draft="smollm2:135m",
        mcp={
            "github": ToolServerAddress(
                label="github",
                url="https://h/mcp",
                headers={"Authorization": "Bearer ${TOKEN}"},
            )
        },
        embedding_model="embeddinggemma",
        ocr_model="qwen2.5vl:3b",
        transport=Scheme.HUGGINGFACE,
        prefix="you> ",
        color="never",
    )
    for key in SETTINGS:
        assert getattr(by_file, key) == getattr(expected, key) == getattr(by_environment, key)
        assert getattr(expected, key) != getattr(Config(), key)
    assert set(by_file.sources) == set(by_environment.sources) == SETTINGS


def test_a_later_place_of_the_engine_replaces_an_earlier_one_of_either_kind(
    tmp_path: Path,
) -> None:
    first, second = tmp_path / "1.conf", tmp_path / "2.conf"
    first.write_text('[ramalama]\nengine_url = "ssh://gpu"\n')
    second.write_text('[ramalama]\nconnection = "big"\n')

    by_files = Config.load({}, [first, second])
    by_environment = Config.load({"RAMALAMA_ENGINE_URL": "unix:///x.sock"}, [first, second])

    assert (by_files.engine_url, by_files.connection) == (None, "big")
    assert by_files.sources == {"connection": f"connection in {second}"}
    assert (by_environment.engine_url, by_environment.connection) == ("unix:///x.sock", None)
    assert by_environment.sources == {"engine_url": "RAMALAMA_ENGINE_URL"}


def test_one_source_cannot_say_twice_where_the_engine_is(tmp_path: Path) -> None:
    file = tmp_path / "r.conf"
    file.write_text('[ramalama]\nengine_url = "ssh://gpu"\nconnection = "big"\n')
    env = {"RAMALAMA_ENGINE_URL": "ssh://gpu", "RAMALAMA_CONNECTION": "big"}

    with pytest.raises(ConfigError, match=r"engine_url in .* and connection in .* both say"):
        Config.load({}, [file])
    with pytest.raises(ConfigError, match="RAMALAMA_ENGINE_URL and RAMALAMA_CONNECTION both say"):
        Config.load(env, [])
    with pytest.raises(ConfigError, match="engine_url and connection both say"):
        Config(engine_url="ssh://gpu", connection="big")


@pytest.mark.parametrize("url", ["ssh://me:hunter2@gpu", "tcp://me:hunter2@gpu", "hunter2"])
def test_an_address_with_a_password_is_in_no_config_and_in_no_message(
    tmp_path: Path, url: str
) -> None:
    file = tmp_path / "r.conf"
    file.write_text(f'[ramalama]\nengine_url = "{url}"\n')
    ways: list[Callable[[], Config]] = [
        lambda: Config(engine_url=url),
        lambda: Config.load({"RAMALAMA_ENGINE_URL": url}, []),
        lambda: Config.load({}, [file]),
    ]
    for load in ways:
        with pytest.raises(ConfigError, match="not the address of an engine: ") as caught:
            load()
        assert "hunter2" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("word", ["false", "False", "0", "off", "no", "n", "NO"])
def test_a_boolean_variable_that_says_no_means_no(word: str) -> None:
    assert Config.load({"RAMALAMA_SELINUX": word}, []).selinux is False


@pytest.mark.parametrize("word", ["true", "TRUE", "1", "on", "yes", "y"])
def test_a_boolean_variable_that_says_yes_means_yes(word: str) -> None:
    assert Config.load({"RAMALAMA_KEEP_GROUPS": word}, []).keep_groups is True


@pytest.mark.parametrize("name", ALL_VARIABLES)
def test_a_variable_that_is_set_to_nothing_counts_as_unset(name: str) -> None:
    assert Config.load({name: ""}, []) == Config()


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("ctx_size = -1", "is -1, which is not a whole number of 0 or more"),
        ("ctx_size = 1.5", "is 1.5, which is not a whole number of 0 or more"),
        ("ctx_size = true", "is True, which is not a whole number of 0 or more"),
        ("threads = 0", "is 0, which is not a whole number of 1 or more"),
        ("ngl = -2", "is -2, which is not a whole number of -1 or more"),
        ("temp = -0.1", "is -0.1, which is not a temperature of 0 or more"),
        ("temp = inf", "is inf, which is not a temperature of 0 or more"),
        ("temp = nan", "is nan, which is not a temperature of 0 or more"),
        ('selinux = "maybe"', "is 'maybe', which is not true or false"),
        ('engine = "lxc"', "is 'lxc', which is not one of podman, docker"),
        ('pull = "often"', "which is not one of always, missing, never, newer"),
        ('color = "red"', "is 'red', which is not one of auto, always, never"),
        ("color = []", "which is not one of auto, always, never"),
        ("image = 5", "is 5, which is not a text"),
        ('image = ""', "is '', which is not a text"),
        (r'image = "a\u0000"', "which is not a text"),
        ("env = 5", "is 5, which is not a list of texts"),
        ("env = [5]", "which is not a"),
        ('env = ["=x"]', "which is not"),
        ("images = 5", "is 5, which is not a table of texts"),
        ("images = { CUDA_VISIBLE_DEVICES = 5 }", "which is not a"),
    ],
)
def test_a_bad_value_is_refused_with_its_file_and_what_it_should_have_been(
    tmp_path: Path, setting: str, complaint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_file(tmp_path, setting)

    key = setting.partition(" ")[0]
    assert str(caught.value).startswith(f"{key} in {tmp_path / 'ramalama.conf'} is ")
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RAMALAMA_SELINUX", "maybe"),
        ("RAMALAMA_CTX_SIZE", "many"),
        ("RAMALAMA_CTX_SIZE", "9" * 5000),
        ("RAMALAMA_CONTAINER_ENGINE", "lxc"),
        ("RAMALAMA_TRANSPORT", "file"),
        ("RAMALAMA_RUNTIME", "mlx"),
        ("RAMALAMA_IMAGES", "{"),
        ("RAMALAMA_IMAGES", "[]"),
        ("RAMALAMA_IMAGES", "[" * 100_000),
        ("RAMALAMA_ENV", "A=1,,B=2"),
        ("RAMALAMA_ENV", "=x"),
    ],
)
def test_a_bad_variable_is_refused_by_its_name(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name} is .*, which is not ") as caught:
        Config.load({name: value}, [])

    assert len(str(caught.value)) < 200


def test_the_transport_has_the_manual_pages_other_spelling_too() -> None:
    assert Config.load({"RAMALAMA_TRANSPORTS": "modelscope"}, []).transport is Scheme.MODELSCOPE


def test_the_engine_has_one_variable_only() -> None:
    assert Config.load({"RAMALAMA_ENGINE": "docker"}, []) == Config()


@pytest.mark.parametrize(
    ("key", "hint"),
    [("ctx_sise", "; did you mean 'ctx_size'?"), ("Image", "; did you mean 'image'?"), ("xyz", "")],
)
def test_an_unknown_key_is_a_warning_with_the_nearest_known_one(
    tmp_path: Path, key: str, hint: str
) -> None:
    config = load_file(tmp_path, f"{key} = 1\ntemp = 0.5")

    assert config.warnings == (f"{tmp_path / 'ramalama.conf'} has an unknown key {key!r}{hint}",)
    assert config.temp == 0.5


def test_keys_and_tables_of_upstreams_files_are_no_reason_to_complain(tmp_path: Path) -> None:
    config = load_file(tmp_path, 'port = "8080"\nmax_tokens = 5\n[ramalama.http_client]\nmax = 5')

    assert config == Config()


def test_a_file_without_our_table_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "ramalama.conf").write_text("[containers]\nimage = 5\n")

    assert Config.load({}, [tmp_path / "ramalama.conf"]) == Config()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"[ramalama\n", "is not TOML"),
        (b"ramalama = 5\n", r"\[ramalama\] is not a table"),
        (b'[ramalama]\nprefix = "\xff"\n', "^cannot read"),
        (b"[ramalama]\nenv = " + b"[" * 20_000, "is not TOML"),
        (b"[ramalama]\nenv = " + b"{a=" * 20_000, "is not TOML"),
        (b"# long\n" * 20_000, "is longer than"),
        (b"[ramalama]\nctx_size = " + b"9" * 5000, "is not TOML"),
        (b"[ramalama]\nimage = [0x" + b"f" * 5000 + b"]", "a very long number, which is not"),
    ],
    ids=[
        *("broken", "no-table", "not-utf-8", "nested-lists", "nested-tables", "endless"),
        *("long-number", "long-number-in-hexadecimal"),
    ],
)
def test_a_file_that_makes_no_sense_is_named(
    tmp_path: Path, content: bytes, complaint: str
) -> None:
    file = tmp_path / "ramalama.conf"
    file.write_bytes(content)

    with pytest.raises(ConfigError, match=complaint) as caught:
        Config.load({}, [file])

    assert str(file) in str(caught.value)


def test_a_file_below_a_file_is_absent(tmp_path: Path) -> None:
    below = write(tmp_path / "ramalama.conf", "temp = 0.5") / "ramalama.conf"

    assert Config.load({}, [tmp_path / "absent", below]) == Config()


def test_a_directory_in_the_place_of_a_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"cannot read {tmp_path}"):
        Config.load({}, [tmp_path])


def test_ramalama_config_names_the_only_file(tmp_path: Path) -> None:
    env = {"RAMALAMA_CONFIG": str(tmp_path / "mine.conf"), "XDG_CONFIG_HOME": str(tmp_path)}

    assert config_files(env, tmp_path) == (tmp_path / "mine.conf",)


@pytest.mark.parametrize(
    "env", [{}, {"XDG_CONFIG_HOME": ""}, {"XDG_CONFIG_HOME": "."}, {"RAMALAMA_CONFIG": ""}]
)
def test_the_users_file_comes_after_the_systems(tmp_path: Path, env: dict[str, str]) -> None:
    files = [str(file) for file in config_files(env, tmp_path)]

    assert [file for file in files if not file.endswith(".d")][-1] == str(
        tmp_path / ".config/ramalama/ramalama.conf"
    )
    assert files.index("/usr/share/ramalama/ramalama.conf") < files.index(
        "/etc/ramalama/ramalama.conf"
    )


def test_drop_ins_follow_their_file_in_the_order_of_their_names(tmp_path: Path) -> None:
    base = tmp_path / "ramalama"
    for name in ("20-b.conf", "10-a.conf", "ignored.txt"):
        write(base / "ramalama.conf.d" / name, "temp = 0.5")

    files = config_files({"XDG_CONFIG_HOME": str(tmp_path)}, tmp_path)

    assert files[-3:] == (
        base / "ramalama.conf",
        base / "ramalama.conf.d/10-a.conf",
        base / "ramalama.conf.d/20-b.conf",
    )


def test_a_file_that_the_user_names_must_be_there(tmp_path: Path) -> None:
    env = {"RAMALAMA_CONFIG": str(tmp_path / "absent.conf")}

    with pytest.raises(ConfigError, match=r"RAMALAMA_CONFIG names .*absent\.conf"):
        Config.load(env, config_files(env, tmp_path))


@pytest.mark.parametrize(
    ("servers", "complaint"),
    [
        ('"s3cret"', "is not a table of MCP servers"),
        ("{ calc = 5 }", "calc needs either a url or a command"),
        ('{ calc = { headers = { A = "s3cret" } } }', "calc needs either a url or a command"),
        ('{ calc = { url = "http://h/s3cret", env = { A = "s3cret" } } }', "combined with 'env'"),
    ],
)
def test_what_is_wrong_with_a_tool_server_is_told_without_its_secrets(
    tmp_path: Path, servers: str, complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        load_file(tmp_path, f"mcp = {servers}")

    assert str(caught.value).startswith(f"mcp in {tmp_path / 'ramalama.conf'} is not a table of ")
    assert "s3cret" not in str(caught.value)


def test_settings_show_no_secret_of_a_tool_server(tmp_path: Path) -> None:
    server = 'command = "/srv/s3cret --key s3cret"\nenv = { KEY = "s3cret" }'

    config = load_file(tmp_path, f"[ramalama.mcp.calc]\n{server}")

    assert config.mcp["calc"].env == {"KEY": "s3cret"}
    assert "s3cret" not in repr(config)


def test_each_file_may_name_tool_servers_and_the_environment_more(tmp_path: Path) -> None:
    files = [
        write(tmp_path / "1.conf", 'mcp = { one = { command = "a" }, two = { command = "b" } }'),
        write(tmp_path / "2.conf", 'mcp = { two = { command = "c" } }'),
    ]

    config = Config.load({"RAMALAMA_MCP": '{"three": {"command": "d"}}'}, files)

    assert {name: server.command for name, server in config.mcp.items()} == {
        "one": ("a",),
        "two": ("c",),
        "three": ("d",),
    }


def test_a_byte_order_mark_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "ramalama.conf"
    file.write_bytes(b"\xef\xbb\xbf[ramalama]\ntemp = 0.5\n")

    assert Config.load({}, [file]).temp == 0.5


@pytest.mark.parametrize(
    ("text", "line", "name"),
    [
        ("temp = 0.5", 1, "temp"),
        ("# mine\n\n  'temp' = 0.5\n[ramalama]\nngl = 1", 3, "temp"),
        ("[RamaLama]\ntemp = 0.5", 1, "RamaLama"),
        ("[ramalama]\n[images]\nHIP_VISIBLE_DEVICES = 'x'", 2, "images"),
        ("no_setting_of_anyones = 1", 1, "no_setting_of_anyones"),
    ],
)
def test_what_stands_outside_of_the_table_is_ignored_with_a_warning(
    tmp_path: Path, text: str, line: int, name: str
) -> None:
    file = tmp_path / "ramalama.conf"
    file.write_text(text)
    config = Config.load({}, [file])

    assert config.temp is None
    assert config.warnings == (
        f"{file}:{line}: {name!r} is outside of the table [ramalama] and was ignored",
    )


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("RAMALAMA_CTXSIZE", "RAMALAMA_CTX_SIZE"),
        ("RAMALAMA_TEMPS", "RAMALAMA_TEMP"),
        ("RAMALAMA_OCIRUNTIME", "RAMALAMA_OCI_RUNTIME"),
    ],
)
def test_a_mistyped_variable_is_a_warning_with_the_nearest_one(name: str, setting: str) -> None:
    assert Config.load({name: "5"}, []).warnings == (
        f"{name} is not a setting; did you mean {setting}?",
    )


def test_variables_that_are_no_settings_cause_no_warning() -> None:
    names = ("CONFIG", "API_KEY", "NOHISTORY", "IN_CONTAINER", "TESTS", "HOST_PORTS")
    env = {f"RAMALAMA_{name}": "" for name in names}

    assert Config.load(env, []).warnings == ()
