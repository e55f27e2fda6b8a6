import pytest

from ramalama_chat.repl.input import Message, is_complete, parse_message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("one\ntwo", Message("one\ntwo")),
        ("one\\\ntwo\n", Message("one\ntwo")),
        ('"""\none\ntwo\n"""', Message("one\ntwo", fenced=True)),
        ('"""', Message("", fenced=True)),
        ('\n"""one"""', Message("one", fenced=True)),
        ('"""One."""\nimport os\n', Message('"""One."""\nimport os\n', fenced=True)),
        ('"""\nOne.\n"""\n/x = """y"""', Message('"""\nOne.\n"""\n/x = """y"""', fenced=True)),
        ("", Message("")),
    ],
)
def test_what_is_typed_or_pasted_as_a_whole_is_one_message(text: str, message: Message) -> None:
    assert parse_message(text) == message


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("one", True),
        ("one\\", False),
        ("one\\\ntwo", True),
        ('"""', False),
        ('"""one', False),
        ('"""one\n\n', False),
        ('"""one"""', True),
        ('  """\none\n"""  ', True),
        ('"""One."""\nimport os', True),
        ("", True),
    ],
)
def test_enter_sends_a_message_that_is_complete(text: str, *, complete: bool) -> None:
    assert is_complete(text) is complete
