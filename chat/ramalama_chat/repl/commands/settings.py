"""Commands that change how answers are made and shown: /set, /show, /think, /stats."""

from collections.abc import Callable, Mapping

from ramalama_chat.errors import InputRefused
from ramalama_chat.repl.commands.outcome import Then
from ramalama_chat.repl.state import ChatState
from ramalama_chat.session.parameters import PARAMETERS, read_parameter, set_reasoning

_DEFAULT = "default"


def set_parameter(state: ChatState, words: str) -> Then:
    """Set a parameter or a switch; without words, list what can be set."""
    name, _, value = words.removeprefix("parameter ").strip().partition(" ")
    value = value.strip()
    if not name:
        state.tell(f"/set NAME VALUE: {', '.join(PARAMETERS)}; or {', '.join(_SWITCHES)}")
    elif name in _SWITCHES:
        if value:
            msg = f"{name} takes no value; there are {', '.join(_SWITCHES)}"
            raise InputRefused(msg)
        _SWITCHES[name](state)
    elif not value and name in PARAMETERS:
        msg = f"which value? /set {name} VALUE"
        raise InputRefused(msg)
    elif value == _DEFAULT and name in PARAMETERS:
        state.session.parameters.pop(PARAMETERS[name].member, None)
        state.tell(f"{name} has the server's default again.")
    else:
        member, read = read_parameter(name, value)
        state.session.parameters[member] = read
        state.tell(f"{name} is {value} from now on.")
    return Then.GO_ON


def show(state: ChatState, words: str) -> Then:
    """Show the settings, or the one that *words* name."""
    session = state.session
    context = session.context_size()
    used = session.usage.total_tokens if session.usage else None
    rows = {
        "model": session.model,
        "system": session.conversation.system or "(none)",
        "exchanges": str(len(session.conversation.exchanges)),
        "context": _of(used, context),
        **{name: str(value) for name, value in session.parameters.items()},
        "think": on_off(state.think),
        **({} if session.knowledge is None else {"rag": on_off(session.looks_up)}),
        "stats": on_off(state.stats),
        "history": on_off(state.history.enabled),
    }
    if words in PARAMETERS:
        words = PARAMETERS[words].member
        rows.setdefault(words, "(the server's default)")
    if words and words not in rows:
        msg = f"there is no setting {words!r}: {', '.join(dict.fromkeys((*rows, *PARAMETERS)))}"
        raise InputRefused(msg)
    for name in [words] if words else rows:
        state.tell(f"{name:12} {rows[name]}")
    return Then.GO_ON


def think(state: ChatState, words: str) -> Then:
    """Switch reasoning on or off."""
    on = read_switch(words, state.think)
    state.think = on
    set_reasoning(state.session.parameters, on=on)
    state.tell(f"Reasoning is {on_off(on)}.")
    return Then.GO_ON


def stats(state: ChatState, words: str) -> Then:
    """Switch the statistics that follow each answer on or off."""
    state.stats = read_switch(words, state.stats)
    state.tell(f"Statistics are {on_off(state.stats)}.")
    return Then.GO_ON


def _history(state: ChatState, *, on: bool) -> None:
    state.history.enabled = on
    state.tell(f"What you type is {'' if on else 'not '}remembered.")


# The names are Ollama's.
_SWITCHES: Mapping[str, Callable[[ChatState], object]] = {
    "history": lambda state: _history(state, on=True),
    "nohistory": lambda state: _history(state, on=False),
    "think": lambda state: think(state, "on"),
    "nothink": lambda state: think(state, "off"),
    "verbose": lambda state: stats(state, "on"),
    "quiet": lambda state: stats(state, "off"),
}
SETTABLE = (*PARAMETERS, *_SWITCHES)


def read_switch(words: str, now: bool) -> bool:  # noqa: FBT001 - of two words, one is the value
    """Read "on" or "off"; without a word, return the opposite of *now*."""
    if words.lower() in ("on", "off"):
        return words.lower() == "on"
    if words:
        msg = f"write on or off, not {words!r}"
        raise InputRefused(msg)
    return not now


def on_off(value: bool) -> str:  # noqa: FBT001 - the value is all there is
    """Return the word for a switch."""
    return "on" if value else "off"


def _of(used: int | None, context: int | None) -> str:
    size = f"{context} tokens" if context else "of unknown size"
    return size if used is None else f"{used} of {size}"
