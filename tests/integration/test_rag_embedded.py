"""An index with the vectors of a real embedding model, made by the command."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.cli import Cli

pytest_plugins = ["tests.integration.users"]
pytestmark = pytest.mark.engines

DOCUMENTS = {
    "cats.md": "# Cats\n\nA kitten purrs when it is content, and sleeps most of the day.\n",
    "ships.md": "# Ships\n\nA vessel drops its anchor in the harbour before the storm.\n",
    "money.md": "# Money\n\nThe bank lends a sum, and asks for interest every month.\n",
}


SEARCH = """
import sys, ramalama
from pathlib import Path
from ramalama.rag.index.index import Index
with ramalama.Ramalama() as handle, handle.embedder(sys.argv[1]) as embedder:
    with Index.open(Path(sys.argv[2])) as index:
        for question in sys.argv[3:]:
            found = index.search(question, embedder.embed_question(question))
            print([each.uri.rpartition("/")[2] for each in found][:1])
"""


def test_documents_are_embedded_once_and_found_by_what_they_mean(cli: Cli, embedder: Path) -> None:
    docs, path = cli.home / "docs", cli.home / "docs.db"
    docs.mkdir()
    for name, text in DOCUMENTS.items():
        (docs / name).write_text(text)

    made = cli.run("rag", f"--embedding-model={embedder}", str(docs), str(path))
    told = json.loads(cli.run("rag", "info", "--json", str(path)).out)
    cli.run("stop", "--all")
    unchanged = cli.run("rag", str(docs), str(path))
    running = cli.containers()
    (docs / "more.md").write_text("# Weather\n\nIt rains.\n")
    # It is a file, which is not used because an index names it.
    updated = cli.run("rag", "update", str(path), env={"RAMALAMA_EMBEDDING_MODEL": str(embedder)})
    words = (str(embedder), str(path), "boat moored at the port", "a poem about a mountain")
    found = subprocess.run(
        [*cli.command()[:-1], sys.executable, "-c", SEARCH, *words],
        env=cli.env,
        capture_output=True,
        text=True,
        check=False,
    )
    cli.run("stop", "--all")

    assert (made.code, made.out) == (0, f"{path}\n"), made.err
    assert told["embedding_model"]["dimension"] == 384
    assert told["without_vector"] == 0
    assert "(nothing has changed)" in unchanged.err
    assert running == []  # none was started for it
    assert "(1 new)" in updated.err
    assert (found.stdout, found.stderr) == ("['ships.md']\n[]\n", "")
