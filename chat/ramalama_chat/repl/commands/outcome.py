"""What happens after a command."""

from enum import Enum, auto


class Then(Enum):
    """What the prompt loop does next."""

    GO_ON = auto()
    LEAVE = auto()
    ASK_AGAIN = auto()  # the last question
