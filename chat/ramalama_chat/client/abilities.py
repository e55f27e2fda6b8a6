"""Ask a server what its model is able to do."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx2

from ramalama_chat.client._openai import openai
from ramalama_chat.client.context_size import find_model
from ramalama_chat.client.requests import get_json
from ramalama_chat.errors import InputRefused
from ramalama_values.json import is_array, is_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openai import OpenAI

_TIMEOUT = 5.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """Whether a model *sees* pictures and *calls_tools*; None means that the server does not say.

    *reports_progress* says whether the server tells how much of a prompt it has processed.
    """

    sees: bool | None = None
    calls_tools: bool | None = None
    reports_progress: bool = False

    def ensure_sees(self) -> None:
        """Raise an error if the model certainly does not see pictures.

        Raises:
            InputRefused: it does not; most servers would refuse the request with HTTP 500.

        """
        if self.sees is False:
            msg = "the model cannot see pictures, or its server has no projector for it"
            raise InputRefused(msg)


def ask_abilities(client: "OpenAI", model: str) -> Abilities:
    """Ask for the abilities of *model*.

    The list of models has "architecture.input_modalities" in llama-server, OpenRouter and others.
    llama-server has more at /props: the same as "modalities", and what its chat template knows.
    """
    entry = find_model(client, model)
    architecture = entry.get("architecture")
    inputs = architecture.get("input_modalities") if is_object(architecture) else None
    sees = "image" in inputs if is_array(inputs) else None
    if entry.get("owned_by") != "llamacpp":
        return Abilities(sees=sees)
    props = _ask_props(client)
    return Abilities(
        sees=_flag(props, "modalities", "vision") if sees is None else sees,
        calls_tools=_flag(props, "chat_template_caps", "supports_tools"),
        reports_progress=True,
    )


def _ask_props(client: "OpenAI") -> "Mapping[str, object]":
    try:
        # Not below /v1, where the API of OpenAI is.
        props = get_json(client, str(client.base_url.join("../props")), timeout=_TIMEOUT)
    except (openai.OpenAIError, httpx2.RequestError, ValueError):  # no answer, or none in JSON
        return {}
    return props if is_object(props) else {}


def _flag(props: "Mapping[str, object]", group: str, name: str) -> bool | None:
    members = props.get(group)
    flag = members.get(name) if is_object(members) else None
    return flag if isinstance(flag, bool) else None
