"""A model that guesses ahead for another, here for itself: all it guesses is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.cli import SMALL, Cli
from tests.integration.served import Served

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["tests.integration.users"]
pytestmark = pytest.mark.engines


def test_the_server_guesses_with_the_draft_and_has_it_read_only(
    cli: Cli, model: Path, tmp_path: Path
) -> None:
    draft = tmp_path / "a draft.gguf"
    draft.hardlink_to(model)
    with cli.prompt_loop(*SMALL, f"--model-draft={draft}", str(model)) as terminal:
        container = cli.container_of(terminal.pid)
        assert container is not None
        served = Served(cli=cli, terminal=terminal, container=container)
        question = [{"role": "user", "content": "Count to ten."}]
        with cli.server() as client:
            asked = {"messages": question, "max_tokens": 40, "temperature": 0}
            answer = client.post("/v1/chat/completions", json=asked).json()

        assert answer["timings"]["draft_n"] == answer["timings"]["draft_n_accepted"] > 0
        assert "/mnt/extras/draft.gguf" in served.argv
        assert "ro" in served.mount_options("/mnt/extras/draft.gguf")


def test_a_model_may_be_its_own_draft_and_a_setting_may_name_it(cli: Cli, model: Path) -> None:
    words = ("run", *SMALL, "--runtime-args=--predict 30", str(model), "Who are you?")
    plain = cli.run(*words)

    drafted = cli.run(*words, env={"RAMALAMA_MODEL_DRAFT": str(model)})

    assert drafted == plain
    assert plain.code == 0
    assert plain.err == (
        "Notice: the answer is cut off after 30 tokens, by a limit of the server's own\n"
    )


@pytest.mark.parametrize(
    ("draft", "code", "complaint"),
    [
        ("/no/such.gguf", 2, "no such model file: /no/such.gguf"),
        ("ftp://x/y", 22, "'ftp://x/y' does not name a model: "),
        ("{home}", 22, " is a directory; name the .gguf file in it"),
    ],
)
def test_a_draft_that_is_none_is_named_and_nothing_is_created(
    cli: Cli, model: Path, draft: str, code: int, complaint: str
) -> None:
    path = draft.format(home=cli.home)
    done = cli.run("run", *SMALL, f"--model-draft={path}", str(model), "Hello!")

    assert done.code == code
    assert complaint in done.complaint
    assert cli.containers() == []
