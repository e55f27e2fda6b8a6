import pickle
import subprocess
import sys
import threading

import pytest

import ramalama_chat
from ramalama_chat import ChatSession, errors, preload
from ramalama_chat.repl.state import ChatProtocol


def test_the_door_lists_what_it_offers() -> None:
    assert ramalama_chat.__all__ == sorted(ramalama_chat.__all__)
    for name in ramalama_chat.__all__:
        assert getattr(ramalama_chat, name) is not None


def test_the_door_offers_nothing_else() -> None:
    name = "Nonsense"
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        getattr(ramalama_chat, name)


def test_every_error_is_a_chat_error_and_stands_in_the_tree() -> None:
    tree = errors.__doc__ or ""
    for name, error in vars(errors).items():
        if isinstance(error, type) and error.__module__ == errors.__name__:
            assert issubclass(error, ramalama_chat.ChatError)
            assert name in tree
            assert name in ramalama_chat.__all__


@pytest.mark.parametrize(
    "name", [name for name in ramalama_chat.__all__ if hasattr(getattr(errors, name, None), "args")]
)
def test_an_error_passes_through_pickle_with_all_that_it_says(name: str) -> None:
    kind: type[ramalama_chat.ChatError] = getattr(errors, name)
    error = kind("the server is gone", hint="start it again")
    vars(error).update(dict.fromkeys(vars(error).keys() - {"message", "hint"}, 7))

    copy: Exception = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own

    assert type(copy) is kind
    assert (str(copy), vars(copy)) == ("the server is gone; start it again", vars(error))


def test_what_takes_too_long_is_a_timeout_as_python_knows_it() -> None:
    assert issubclass(ramalama_chat.AnswerTimedOut, TimeoutError)
    assert issubclass(ramalama_chat.ServerSilent, TimeoutError)


def test_preload_imports_nothing_that_one_answer_does_not_need() -> None:
    program = "import ramalama_chat, sys; ramalama_chat.preload(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    loaded = set(done.stdout.decode().split())

    assert "ramalama_chat.session.session" in loaded
    needless = {"repl", "line_editor", "commands", "markdown", "usage", "attachments"}
    assert loaded & {"prompt_toolkit", *(f"ramalama_chat.{name}" for name in needless)} == set()


def test_preload_may_run_in_several_threads_at_once() -> None:
    threads = [threading.Thread(target=preload) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ramalama_chat.open_client is not None


def a_session_can_talk_in_the_loop(session: ChatSession) -> ChatProtocol:
    return session  # held by the type checkers
