"""What every image's recipe keeps to; hadolint looks after the rest."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ramalama_accel import IMAGES, VLLM_BUILDS, VLLM_IMAGES
from ramalama_accel.images import STACK_IMAGE

ROOT = Path(__file__).parents[2] / "containerfiles"
RECIPES = sorted(file.parent.name for file in ROOT.glob("*/Containerfile"))
VLLM = ["vllm-cpu", "vllm-cuda"]
BUILT_FROM_SOURCE = [name for name in RECIPES if name not in ("ramalama", "llama-stack", *VLLM)]
OURS = "quay.io/ramalama/"

Instruction = tuple[str, str]


def instructions(name: str) -> list[Instruction]:
    """Split a Containerfile into instructions, continued lines joined and comments left out."""
    text = (ROOT / name / "Containerfile").read_text(encoding="utf-8")
    kept = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", "\n".join(kept))
    parts = (line.partition(" ") for line in joined.splitlines() if line.strip())
    return [(word, rest.strip()) for word, _, rest in parts]


def values(name: str, word: str) -> list[str]:
    return [rest for found, rest in instructions(name) if found == word]


def last_stage(name: str) -> list[Instruction]:
    found = instructions(name)
    start = max(number for number, (word, _) in enumerate(found) if word == "FROM")
    return found[start:]


def test_the_tables_of_images_and_the_folders_are_the_same() -> None:
    images = [*IMAGES.values(), *VLLM_BUILDS.values(), STACK_IMAGE]
    ours = {image.removeprefix(OURS) for image in images if image.startswith(OURS)}

    assert ours == set(RECIPES)
    assert {name for name in VLLM_IMAGES.values() if name.startswith(OURS)} <= set(images)


@pytest.mark.parametrize("name", RECIPES)
def test_the_page_of_the_images_tells_of_each(name: str) -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")

    assert f"| `{name}` |" in page


@pytest.mark.parametrize("name", RECIPES)
def test_every_stage_starts_from_the_base_that_a_user_may_replace(name: str) -> None:
    first = instructions(name)[0]
    stages = values(name, "FROM")

    assert first[0] == "ARG"
    assert re.fullmatch(r"BASE=[a-z0-9.-]+\.[a-z]+(/[a-z0-9._-]+)+:\S*\S", first[1])
    assert not first[1].endswith(":latest")
    assert len(stages) == 2
    assert all(stage.startswith("${BASE}") or stage == "scratch" for stage in stages)


@pytest.mark.parametrize("name", RECIPES)
def test_what_is_copied_is_there_and_nothing_is_downloaded_unseen(name: str) -> None:
    sources = [rest.split()[0] for rest in values(name, "COPY") if not rest.startswith("--from=")]

    assert values(name, "ADD") == []
    assert all((ROOT / source).is_file() for source in sources)


@pytest.mark.parametrize("name", RECIPES)
def test_an_image_says_what_it_is_and_needs_no_particular_user(name: str) -> None:
    labels = " ".join(rest for word, rest in last_stage(name) if word == "LABEL")

    for key in ("title", "description", "licenses", "base.name"):
        assert f"org.opencontainers.image.{key}=" in labels
    assert values(name, "USER") == []
    others = {"llama-stack": "ramalama-stack", **dict.fromkeys(VLLM, "vllm serve")}
    assert json.loads(values(name, "CMD")[-1]) == others.get(name, "llama-server").split()


@pytest.mark.parametrize("name", RECIPES)
def test_an_image_asks_after_its_own_health_with_a_program_that_is_in_it(name: str) -> None:
    words = last_stage(name)
    (health,) = (rest for word, rest in words if word == "HEALTHCHECK")
    patience, _, command = health.partition(" CMD ")
    program, *arguments = json.loads(command)
    # busybox, which is the CPU image's shell, brings wget along.
    installed = [rest for word, rest in instructions(name) if word == "RUN"]

    assert patience == "--start-period=10m"
    others = {"llama-stack": "8321/v1", **dict.fromkeys(VLLM, "8000")}
    assert arguments[-1] == f"http://127.0.0.1:{others.get(name, '8080')}/health"
    package = {"wget": "busybox-static"}.get(program, program)
    assert any(package in rest.split() for rest in installed)


@pytest.mark.parametrize("name", RECIPES)
def test_no_secret_and_no_user_is_baked_into_an_image(name: str) -> None:
    variables = {rest.split("=")[0] for word in ("ENV", "ARG") for rest in values(name, word)}

    assert not {variable for variable in variables if re.search("TOKEN|KEY|PASS|SECRET", variable)}


def test_every_stage_can_be_found_and_removed_by_whoever_builds() -> None:
    for name in RECIPES:
        assert values(name, "LABEL")[0].startswith("ai.ramalama.stage=")


def test_the_cpu_image_keeps_what_its_packages_say_of_themselves() -> None:
    (run,) = (rest for rest in values("ramalama", "RUN") if "dpkg-deb --extract" in rest)

    assert '>"var/lib/dpkg/status.d/$name" || exit' in run


@pytest.mark.parametrize("name", BUILT_FROM_SOURCE)
def test_an_image_of_our_building_shares_the_recipe(name: str) -> None:
    words = last_stage(name)

    assert ("COPY", "build-llama-server .") in instructions(name)
    assert any("sh build-llama-server -D" in rest for rest in values(name, "RUN"))
    assert ("COPY", "--from=build /opt/llama.cpp /usr/local") in words


def test_the_images_of_vllm_pin_one_release() -> None:
    text = "".join((ROOT / name / "Containerfile").read_text(encoding="utf-8") for name in VLLM)

    assert len(set(re.findall(r"vllm(?:[-_]c[pu]+)?(?:==|-)([0-9.]+[0-9])", text))) == 1


def test_the_shared_recipe_pins_a_release_to_a_commit() -> None:
    text = (ROOT / "build-llama-server").read_text(encoding="utf-8")

    assert re.search(r"^release=b[0-9]+$", text, re.MULTILINE)
    assert re.search(r"^commit=[0-9a-f]{40}$", text, re.MULTILINE)
