"""The table of commands; to add a command, add its module to `commands/` and a row here."""

from __future__ import annotations


class Verb:
    """A command: one line that says what it does, and its other names."""

    # Written by hand: to define a NamedTuple takes 1 ms, and to import dataclasses takes 5 ms.
    __slots__ = ("aliases", "summary")

    def __init__(self, summary: str, aliases: tuple[str, ...] = ()) -> None:
        self.summary = summary
        self.aliases = aliases


VERBS = {
    "run": Verb("run a model in a container and chat with it, or ask it one thing"),
    "chat": Verb("talk to a model server that runs already"),
    "serve": Verb("serve a model to other programs"),
    "ps": Verb("list the model servers that run", ("containers",)),
    "stop": Verb("stop model servers and remove their containers"),
    "logs": Verb("show what a model server wrote"),
    "image": Verb("build, list or pull the images that model servers run in"),
    "pull": Verb("bring a model to this machine"),
    "list": Verb("list the models of this machine", ("ls",)),
    "inspect": Verb("show what a model's files say of it"),
    "rm": Verb("remove models from this machine"),
    "gc": Verb("free the space that no model needs"),
    "push": Verb("send a model to an OCI registry"),
    "login": Verb("tell a registry who you are, and remember it"),
    "logout": Verb("forget who you are to a registry"),
    "info": Verb("show engine, accelerator and settings, and why they were chosen"),
    "doctor": Verb("look from inside a container whether the accelerator can be used"),
    "completion": Verb("print what makes a shell complete these commands"),
    "version": Verb("show the version"),
    "help": Verb("show the help of a command"),
}


def find_verb(word: str) -> str | None:
    """Return the command with the name or alias *word*; None if there is none."""
    if word in VERBS:
        return word
    return next((name for name, verb in VERBS.items() if word in verb.aliases), None)


def usage() -> str:
    """Return the text of `ramalama --help`; written by hand, because parsers take time to build."""
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
