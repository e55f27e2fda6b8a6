"""The option that names documents to search, which `run`, `chat` and `serve` have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.cli.invocation import add_group
from ramalama.config.option_spec import Group

if TYPE_CHECKING:
    import argparse


def add_rag_option(parser: argparse.ArgumentParser) -> None:
    """Add `--rag`."""
    add_group(parser.add_argument_group(Group.RAG), Group.RAG)
