"""The commands: a new one is a file and a row here."""

from __future__ import annotations


class Verb:
    """A command: where it lives, what it is for in a line, and what else it is called."""

    # By hand: a NamedTuple takes a millisecond to make, and a dataclass five to import.
    __slots__ = ("aliases", "module", "summary")

    def __init__(self, module: str, summary: str, aliases: tuple[str, ...] = ()) -> None:
        self.module = module
        self.summary = summary
        self.aliases = aliases


VERBS = {
    "run": Verb("run", "run a model in a container and chat with it, or ask it one thing"),
    "chat": Verb("chat", "talk to a model server that runs already"),
    "serve": Verb("serve", "serve a model to other programs"),
    "ps": Verb("ps", "list the model servers that run", ("containers",)),
    "stop": Verb("stop", "stop model servers and remove their containers"),
    "logs": Verb("logs", "show what a model server wrote"),
    "image": Verb("image", "build, list or pull the images that model servers run in"),
    "pull": Verb("pull", "bring a model to this machine"),
    "list": Verb("list_models", "list the models of this machine", ("ls",)),
    "inspect": Verb("inspect_model", "show what a model's files say of it"),
    "rm": Verb("rm", "remove models from this machine"),
    "gc": Verb("collect_garbage", "free the space that no model needs"),
    "push": Verb("push", "send a model to an OCI registry"),
    "login": Verb("login", "tell a registry who you are, and remember it"),
    "logout": Verb("logout", "forget who you are to a registry"),
    "info": Verb("info", "show engine, accelerator and settings, and why they were chosen"),
    "doctor": Verb("doctor", "look from inside a container whether the accelerator can be used"),
    "completion": Verb("completion", "print what makes a shell complete these commands"),
    "version": Verb("version", "show the version"),
    "help": Verb("help", "show the help of a command"),
}


def find_verb(word: str) -> str | None:
    """Return the name of the command that *word* is, or stands for."""
    if word in VERBS:
        return word
    return next((name for name, verb in VERBS.items() if word in verb.aliases), None)


def usage() -> str:
    """Write what `ramalama --help` prints; by hand, since building parsers takes longer."""
    rows = [(", ".join((name, *verb.aliases)), verb.summary) for name, verb in VERBS.items()]
    commands = "\n".join(f"  {names:18} {summary}" for names, summary in rows)
    return f"""\
usage: ramalama [-h] [-v] [--debug | --quiet] [--dryrun] [--engine {{podman,docker}}] [--store DIR]
                command ...

Run AI models in locked-down containers, with the accelerator that the host has.

positional arguments:
{commands}

options:
  -h, --help         show this help; `ramalama COMMAND --help` shows a command's
  -v, --version      show the version
  --debug            log what is done to stderr, and show where an error came from
  -q, --quiet        say nothing but answers and errors
  --dryrun           show the equivalent podman or docker command, and do nothing
  --engine NAME      podman or docker (default: the first that answers)
  --store DIR        directory of the models
  These are understood before and after the command.

examples:
  ramalama run ./granite.gguf "why is the sky blue?"
  cat notes.txt | ramalama run ./granite.gguf "what is this about?"
  ramalama run ./granite.gguf
"""
