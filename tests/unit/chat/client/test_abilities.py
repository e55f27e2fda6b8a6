"""What a server says about the abilities of its model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ramalama_chat import ChatSession, InputRefused
from ramalama_chat.client.abilities import Abilities
from tests.unit.chat.parrot import Parrot, talk
from tests.unit.chat.scripted_server import Script, answer_json, event, refusal, stream, words

if TYPE_CHECKING:
    from pathlib import Path

LLAMA: dict[str, object] = {"id": "smollm2", "owned_by": "llamacpp"}


def seeing(*inputs: str) -> dict[str, object]:
    return {"architecture": {"input_modalities": list(inputs)}}


def props(*, vision: object = False, tools: object = False) -> dict[str, object]:
    return {"modalities": {"vision": vision}, "chat_template_caps": {"supports_tools": tools}}


@pytest.mark.parametrize(
    ("entry", "told", "abilities"),
    [
        (
            LLAMA | seeing("text"),
            props(),
            Abilities(sees=False, calls_tools=False, reports_progress=True),
        ),
        (
            LLAMA | seeing("text", "image"),
            props(tools=True),
            Abilities(sees=True, calls_tools=True, reports_progress=True),
        ),
        (LLAMA, props(vision=True, tools=7), Abilities(sees=True, reports_progress=True)),
        (LLAMA | {"architecture": 7}, {"modalities": 7}, Abilities(reports_progress=True)),
        (LLAMA, ["nonsense"], Abilities(reports_progress=True)),
        ({"id": "smollm2", "owned_by": "vllm"}, None, Abilities()),
        ({"id": "smollm2", **seeing("text")}, None, Abilities(sees=False)),
        ({"id": "another", "owned_by": "llamacpp"}, None, Abilities()),
        ("nonsense", None, Abilities()),
    ],
)
def test_abilities_are_in_the_list_of_models_and_in_the_properties_of_llama_server(
    script: Script, session: ChatSession, entry: object, told: object, abilities: Abilities
) -> None:
    script.add(answer_json({"data": [entry]}), answer_json(told))

    assert session.abilities() == abilities
    paths = ["/v1/models", *(["/props"] if told is not None else [])]
    assert [request.path for request in script.requests] == paths


def test_a_server_without_properties_says_nothing(script: Script, session: ChatSession) -> None:
    script.add(answer_json({"data": [LLAMA]}), refusal(404, ""))

    assert session.abilities() == Abilities(reports_progress=True)


def test_pictures_are_refused_only_if_the_model_certainly_cannot_see() -> None:
    Abilities(sees=True).ensure_sees()
    Abilities(sees=None).ensure_sees()
    with pytest.raises(InputRefused, match="cannot see pictures"):
        Abilities(sees=False).ensure_sees()


def test_a_picture_is_not_attached_for_a_model_without_sight(tmp_path: Path) -> None:
    (tmp_path / "dot.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    parrot = Parrot()
    parrot.able = Abilities(sees=False)

    heard = talk(f"/image {tmp_path}/dot.png\nHi\n", parrot)

    assert "Error: the model cannot see pictures" in heard.err
    assert parrot.images == [()]


def progress(processed: int, total: int = 2431) -> dict[str, object]:
    counts = {"total": total, "cache": 0, "processed": processed, "time_ms": 1}
    return {**event(None, role="assistant", content=None), "prompt_progress": counts}


def test_the_progress_of_a_long_prompt_is_told_until_the_first_word(
    script: Script, session: ChatSession
) -> None:
    script.add(
        answer_json({"data": [LLAMA]}),
        answer_json(props()),
        stream(progress(0), progress(2048), event("Yes"), event(None, finish="stop")),
        words("Hi."),
    )
    told: list[str] = []
    session.on_wait = told.append
    session.shows_progress = True

    told.extend(session.ask("long " * 1000))
    list(session.ask("short"))

    assert told == ["Processing the prompt: 0%", "Processing the prompt: 84%", "", "Yes"]
    asked = [request.body.get("return_progress") for request in script.requests]
    assert asked == [None, None, True, True]


@pytest.mark.parametrize(
    "odd",
    [
        7,
        {"total": 0, "processed": 0},
        {"total": "many", "processed": 1},
        {"total": 9, "processed": 1},
    ],
)
def test_odd_progress_is_not_told(script: Script, session: ChatSession, odd: object) -> None:
    script.add(stream({**event("Yes"), "prompt_progress": odd}, event(None, finish="stop")))
    told: list[str] = []
    session.on_wait = told.append

    assert list(session.ask("Hi")) == ["Yes"]
    assert told == []


def test_only_llama_server_is_asked_for_progress(script: Script, session: ChatSession) -> None:
    script.add(answer_json({"data": [{"id": "smollm2", "owned_by": "vllm"}]}), words("Yes."))
    session.shows_progress = True

    list(session.ask("long " * 1000))

    assert "return_progress" not in script.requests[-1].body
