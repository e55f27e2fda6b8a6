"""`ramalama image`, on a Docker daemon that answers as it is told."""

from __future__ import annotations

import base64
import json
import re
import tarfile
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from ramalama._version import __version__
from ramalama.cli import main
from ramalama.cli.commands.image import ImageArguments, build_arguments, make_parser, recipes
from ramalama_accel import AcceleratorKind
from tests.unit.engines.dockerd import Dockerd, Reply, serving

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

Capture = pytest.CaptureFixture[str]

TAG = ".".join(__version__.split(".")[:2])
CUDA = f"quay.io/ramalama/cuda:{TAG}"
VULKAN = "libggml0-backend-vulkan mesa-vulkan-drivers"
CPU = f"quay.io/ramalama/ramalama:{TAG}"


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, run_dir: Path) -> None:
    """A user without any settings, and a host without any accelerator chosen by hand."""
    for name in ("CONTAINER_HOST", "DOCKER_HOST", "RAMALAMA_CONFIG", "RAMALAMA_IMAGE", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(run_dir))


@pytest.fixture
def dockerd(monkeypatch: pytest.MonkeyPatch, run_dir: Path) -> Generator[Dockerd]:
    with serving(run_dir) as daemon:
        daemon.answer("GET /_ping", Reply(body="OK"))
        monkeypatch.setenv("DOCKER_HOST", daemon.url)
        yield daemon


def run(capsys: Capture, *words: str) -> tuple[int, str, str]:
    try:
        code = main(["image", *words])
    except SystemExit as exc:  # argparse's way to end
        code = exc.code if isinstance(exc.code, int) else 0
    said = capsys.readouterr()
    return code, said.out, said.err


def image(*names: str, number: int = 1, size: int = 71_771_051) -> dict[str, object]:
    created = datetime.now(UTC) - timedelta(hours=3)
    return {
        "Id": f"sha256:{number:064x}",
        "RepoTags": list(names),
        "Created": int(created.timestamp()),
        "Size": size,
    }


# build


def test_build_sends_all_recipes_and_names_the_image_of_this_version(
    dockerd: Dockerd, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.delenv("http_proxy", raising=False)
    dockerd.answer("POST /build", Reply(lines=({"stream": "Step 1/2 : FROM x\n"},)))
    dockerd.answer(f"GET /images/{CUDA}/json", Reply(body={"Id": "sha256:1"}))

    code, out, err = run(capsys, "build", "cuda", "--base", "mirror.example/cuda:1")

    assert (code, out, err) == (0, f"{CUDA}\n", "Step 1/2 : FROM x\n")
    (asked,) = dockerd.about("POST /build")
    assert asked.query["t"] == CUDA
    assert asked.query["dockerfile"] == "cuda/Containerfile"
    assert json.loads(asked.query["buildargs"]) == {
        "BASE": "mirror.example/cuda:1",
        "https_proxy": "http://proxy.example:3128",
    }
    with tarfile.open(fileobj=BytesIO(asked.body)) as archive:
        assert {"cuda/Containerfile", "build-llama-server"} <= set(archive.getnames())


@pytest.mark.parametrize(
    ("name", "kind", "given", "expected"),
    [
        ("ramalama", AcceleratorKind.CPU, [], {}),
        ("cuda", AcceleratorKind.VULKAN, [], {}),
        ("ramalama", AcceleratorKind.VULKAN, [], {"BACKENDS": VULKAN}),
        ("ramalama", AcceleratorKind.VULKAN, ["BACKENDS="], {"BACKENDS": ""}),
        ("ramalama", AcceleratorKind.CPU, [f"BACKENDS={VULKAN}"], {"BACKENDS": VULKAN}),
    ],
)
def test_the_cpu_image_is_built_with_vulkan_where_that_is_what_the_host_computes_on(
    name: str, kind: AcceleratorKind, given: list[str], expected: dict[str, str]
) -> None:
    asked = make_parser().parse_args(["build", name], ImageArguments())
    asked.build_arg = given

    assert build_arguments(name, asked, kind, {"PATH": "/usr/bin"}) == expected


def test_a_quiet_build_tells_the_name_alone(dockerd: Dockerd, capsys: Capture) -> None:
    dockerd.answer("POST /build", Reply(lines=({"stream": "Step 1/2 : FROM x\n"},)))
    dockerd.answer(f"GET /images/{CPU}/json", Reply(body={"Id": "sha256:1"}))

    assert run(capsys, "build", "-q", "ramalama") == (0, f"{CPU}\n", "")
    assert "BASE" not in json.loads(dockerd.about("POST /build")[0].query["buildargs"])


def test_a_build_that_fails_ends_with_the_engine_s_code(dockerd: Dockerd, capsys: Capture) -> None:
    lines = ({"stream": "\x1b[2Jstep\n"}, {"error": "returned a non-zero code: 3"})
    dockerd.answer("POST /build", Reply(lines=lines))

    code, out, err = run(capsys, "build", "cuda")

    assert (code, out) == (125, "")
    assert f"Error: cannot build {CUDA}: returned a non-zero code: 3\n" in err
    assert "\x1b" not in err


@pytest.mark.usefixtures("dockerd")
@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["build"], "name the image to build"),
        (["build", "nonsense"], "there is no image 'nonsense' to build"),
        (["build", "../cuda"], "there is no image '../cuda' to build"),
        (["build", ""], "name the image to build"),
        (["ls", "cuda"], "`image ls` takes no name"),
        (["ls", "--base", "x"], "--base and --build-arg are only for `image build`"),
        (["pull", "cuda", "--base", "x"], "--base and --build-arg are only for `image build`"),
        (["pull", "--build-arg", "A=1"], "--base and --build-arg are only for `image build`"),
        (["build", "cuda", "--build-arg", "A"], "'A' is not NAME=VALUE"),
        (["build", "cuda", "--build-arg", "=A"], "'=A' is not NAME=VALUE"),
        (["pull", "--runtime", "mlx"], "'mlx' is not one of llama.cpp, vllm"),
        (["pull", "cuda", "--runtime", "vllm"], "--runtime and NAME both choose the image"),
        (["build", "cuda", "--format", "json"], "--format is only for `image ls`"),
        ([], "arguments are required: action"),
        (["burn"], "invalid choice: 'burn'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(
    capsys: Capture, words: list[str], complaint: str
) -> None:
    code, out, err = run(capsys, *words)

    assert (code, out) == (2, "")
    assert re.fullmatch(r"Error: .*\n", err)
    assert complaint in err


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["build", "--base", "x:1", "cuda"], "image build --base x:1 cuda"),
        (["pull"], "image pull"),
        (["pull", "--runtime", "vllm"], "image pull --runtime vllm"),
        (["build", "cann", "--build-arg", "CHIP=x"], "image build --build-arg CHIP=x cann"),
        (["ls"], "image ls"),
    ],
)
def test_a_dry_run_asks_nobody(
    dockerd: Dockerd, capsys: Capture, words: list[str], shown: str
) -> None:
    assert run(capsys, "--dryrun", *words) == (0, "", f"would do: ramalama {shown}\n")
    assert dockerd.routes() == []


def test_every_recipe_can_be_asked_for(capsys: Capture) -> None:
    known = sorted(file.parent.name for file in recipes().glob("*/Containerfile"))

    _, _, err = run(capsys, "build")

    assert err == f"Error: name the image to build: {', '.join(known)}\n"


def test_an_argument_of_the_recipe_s_own_is_passed_on(dockerd: Dockerd, capsys: Capture) -> None:
    dockerd.answer("POST /build", Reply(lines=({"stream": "Step 1/2 : FROM x\n"},)))
    dockerd.answer(f"GET /images/{CPU}/json", Reply(body={"Id": "sha256:1"}))
    backends = "libggml0-backend-vulkan mesa-vulkan-drivers"

    code, _, _ = run(capsys, "build", "-q", "ramalama", "--build-arg", f"BACKENDS={backends}")

    assert code == 0
    (asked,) = dockerd.about("POST /build")
    assert json.loads(asked.query["buildargs"])["BACKENDS"] == backends


@pytest.mark.parametrize(("runtime", "name"), [("llama.cpp", "ramalama"), ("vllm", "vllm-cpu")])
def test_without_a_name_the_recipe_for_this_host_is_built(
    dockerd: Dockerd, capsys: Capture, runtime: str, name: str
) -> None:
    tag = f"quay.io/ramalama/{name}:{TAG}"
    dockerd.answer("POST /build", Reply(lines=({"stream": "Step 1/2 : FROM x\n"},)))
    dockerd.answer(f"GET /images/{tag}/json", Reply(body={"Id": "sha256:1"}))

    assert run(capsys, "build", "-q", "--runtime", runtime) == (0, f"{tag}\n", "")
    (asked,) = dockerd.about("POST /build")
    assert asked.query["dockerfile"] == f"{name}/Containerfile"


# ls


def test_ls_lists_the_images_that_servers_may_run_in(
    dockerd: Dockerd, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAMALAMA_IMAGE", "mine:2")
    dockerd.answer(
        "GET /images/json",
        Reply(
            body=[
                image(CPU, "other.example/x:1", number=1),
                image("mine:1", number=2, size=12_345_678_901),
                image("debian:sid", "<none>:<none>", number=3),
                image("quay.io/ramalama/rocm:0.1", number=4, size=999),
                {**image(number=5), "RepoTags": None},
            ]
        ),
    )

    code, out, err = run(capsys, "ls")

    rows = [re.split(r"  +", line) for line in out.splitlines()]
    assert rows == [
        ["IMAGE", "IMAGE ID", "CREATED", "SIZE"],
        ["mine:1", "0" * 12, "3 hours ago", "12.3 GB"],
        [CPU, "0" * 12, "3 hours ago", "71.8 MB"],
        ["quay.io/ramalama/rocm:0.1", "0" * 12, "3 hours ago", "999 B"],
    ]
    assert (code, err) == (0, "")


@pytest.mark.parametrize(
    ("runtime", "names"),
    [
        ("llama.cpp", [CPU]),
        ("vllm", [f"quay.io/ramalama/vllm-cuda:{TAG}", "vllm/vllm-openai:latest"]),
    ],
)
def test_ls_of_one_runtime_lists_its_images_alone(
    dockerd: Dockerd, capsys: Capture, runtime: str, names: list[str]
) -> None:
    local = (CPU, f"quay.io/ramalama/vllm-cuda:{TAG}", "vllm/vllm-openai:latest")
    body = [image(name, number=number) for number, name in enumerate(local)]
    dockerd.answer("GET /images/json", Reply(body=body))

    _, out, _ = run(capsys, "ls", "--runtime", runtime)

    assert [line.split()[0] for line in out.splitlines()[1:]] == names


def test_ls_as_json_is_an_array_of_whole_values(dockerd: Dockerd, capsys: Capture) -> None:
    listed = {**image(CPU), "Created": 1795365521}
    dockerd.answer("GET /images/json", Reply(body=[listed]))

    code, out, err = run(capsys, "ls", "--format", "json")

    assert (code, err) == (0, "")
    assert json.loads(out) == [
        {
            "name": CPU,
            "id": f"{1:064x}",
            "created": "2026-11-22T16:38:41+00:00",
            "size": 71_771_051,
        }
    ]


@pytest.mark.parametrize(
    ("words", "out"), [([], "IMAGE  IMAGE ID  CREATED  SIZE\n"), (["--format", "json"], "[]\n")]
)
def test_without_images_ls_is_empty(
    dockerd: Dockerd, capsys: Capture, words: list[str], out: str
) -> None:
    dockerd.answer("GET /images/json", Reply(body=[]))

    assert run(capsys, "ls", *words) == (0, out, "")


# pull


@pytest.mark.parametrize(
    ("words", "reference"),
    [
        (["cuda"], CUDA),
        (["ramalama"], CPU),
        (["other.example/x:1"], "other.example/x:1"),
        (["quay.io/ramalama/cuda:0.1"], "quay.io/ramalama/cuda:0.1"),
    ],
)
def test_pull_fetches_an_image_by_its_short_name_or_its_reference(
    dockerd: Dockerd, capsys: Capture, words: list[str], reference: str
) -> None:
    dockerd.answer("POST /images/create", Reply(lines=({"status": "Pulling"},)))
    dockerd.answer(f"GET /images/{reference}/json", Reply(body={"Id": "sha256:1"}))

    code, out, err = run(capsys, "pull", *words)

    assert (code, out, err) == (0, f"{reference}\n", f"Pulling {reference} …\n")
    query = dockerd.about("POST /images/create")[0].query
    assert f"{query['fromImage']}:{query['tag']}" == reference


def test_pull_without_a_name_fetches_what_run_would_use(
    dockerd: Dockerd, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAMALAMA_IMAGE", "mine.example/x:2")
    dockerd.answer("POST /images/create", Reply(lines=({"status": "Pulling"},)))
    dockerd.answer("GET /images/mine.example/x:2/json", Reply(body={"Id": "sha256:1"}))

    assert run(capsys, "pull", "--quiet") == (0, "mine.example/x:2\n", "")


def test_pull_takes_the_options_of_other_pulls(
    dockerd: Dockerd, capsys: Capture, run_dir: Path
) -> None:
    login = base64.b64encode(b"ann:s3cret").decode()
    authfile = run_dir / "mine.json"
    authfile.write_text(json.dumps({"auths": {"mine.example": {"auth": login}}}))
    dockerd.answer("POST /images/create", Reply(lines=({"status": "Pulling"},)))
    dockerd.answer("GET /images/mine.example/x:2/json", Reply(body={"Id": "sha256:1"}))
    name, options = "mine.example/x:2", ["--authfile", str(authfile), "--pull", "always"]

    assert run(capsys, "pull", "--quiet", *options, name) == (0, f"{name}\n", "")
    sent = dockerd.about("POST /images/create")[0].headers["X-Registry-Auth"]
    assert "s3cret" in json.loads(base64.urlsafe_b64decode(sent)).values()
    assert run(capsys, "pull", "--quiet", "--pull", "missing", name) == (0, f"{name}\n", "")
    assert len(dockerd.about("POST /images/create")) == 1
    assert run(capsys, "ls", "--pull", "missing")[0] == 2


def test_a_pull_that_fails_says_why_and_what_was_wrong_with_the_password(
    dockerd: Dockerd, capsys: Capture, monkeypatch: pytest.MonkeyPatch, run_dir: Path
) -> None:
    (run_dir / "config.json").write_text('{"credHelpers": {"mine.example": "pass"}}')
    monkeypatch.setenv("DOCKER_CONFIG", str(run_dir))
    dockerd.answer("POST /images/create", Reply(status=500, body={"message": "unauthorized"}))

    code, out, err = run(capsys, "pull", "mine.example/x:2")

    assert (code, out) == (125, "")
    assert "Notice: " in err
    assert "Error: cannot pull mine.example/x:2: " in err


def test_a_password_file_that_is_broken_is_an_error_of_one_line(
    dockerd: Dockerd, capsys: Capture, monkeypatch: pytest.MonkeyPatch, run_dir: Path
) -> None:
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(run_dir / "missing.json"))

    code, out, err = run(capsys, "pull", "mine.example/x:2")

    assert (code, out) == (125, "")
    assert re.fullmatch(r"Error: .*missing\.json.*\n", err)
    assert "POST /images/create" not in dockerd.routes()


def test_what_is_no_reference_cannot_be_pulled(dockerd: Dockerd, capsys: Capture) -> None:
    code, out, err = run(capsys, "pull", "a b")

    assert (code, out) == (22, "")
    assert "'a b' is not an image reference" in err
    assert dockerd.routes() == []
