"""One directory has many spellings, and none of them ends a server."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ramalama.api.client import Ramalama
from ramalama.serving.cleanup import remove_orphaned
from ramalama.serving.run_dir import ServerDir, new_server_dir
from ramalama.serving.usage import FOR_EVER
from ramalama.system.process_identity import ProcessIdentity
from tests.unit.ramalama.serving.servers import ServerFixture

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

DEAD = replace(ProcessIdentity.of_this_process(), start=1)


@pytest.fixture
def servers(run_dir: Path) -> Generator[ServerFixture]:
    with ServerFixture(root=run_dir) as made:
        yield made


def by_link(run_dir: Path) -> Path:
    run_dir.parent.joinpath("link").symlink_to(".")
    return run_dir.parent / "link" / run_dir.name


def by_dots(run_dir: Path) -> Path:
    return run_dir / ".." / run_dir.name


def by_root(run_dir: Path) -> Path:
    return type(run_dir)(f"//{run_dir}")


def spelled(servers: ServerFixture, run_dir: Path) -> Ramalama:
    """Return a handle for the same directory, as another process would spell it."""
    handle = servers.ramalama()
    return Ramalama(engine=servers.engine, user=handle.user, run_dir=run_dir)


def older_server(servers: ServerFixture, run_dir: Path) -> None:
    """Start a shared server whose label has *run_dir* as it is, and whose starter has ended."""
    with servers.ramalama().serve(servers.options) as server:
        server.detach(keep_alive=FOR_EVER)
    (state,) = servers.engine.list({})
    name = ServerDir(run_dir / state.labels["ai.ramalama.instance"].rpartition("/")[2]).path
    changed = {"ai.ramalama.instance": str(name), "ai.ramalama.owner": DEAD.format()}
    spec = servers.engine.spec(state.id)
    servers.engine.end(state.id, 0)
    servers.engine.remove(state.id)
    name.joinpath("api.sock").unlink(missing_ok=True)
    labels = {**spec.labels, **changed}
    servers.engine.start(servers.engine.create(replace(spec, labels=labels)))


@pytest.mark.parametrize("spell", [by_link, by_dots, by_root])
def test_a_server_outlives_commands_that_spell_its_directory_otherwise(
    servers: ServerFixture, spell: Callable[[Path], Path]
) -> None:
    servers.run_dir.mkdir(mode=0o700)
    other = spell(servers.run_dir)
    older_server(servers, servers.run_dir)
    handle = spelled(servers, other)

    assert handle.remove_orphans() == 0
    (state,) = handle.servers()
    assert handle.address(state) is not None
    with handle.attach(state.name) as attached:
        assert attached.running
    with handle.serve(servers.options, reuse=True) as reused:
        assert reused.name == state.name

    handle.stop(state.name)
    assert servers.is_clean()


@pytest.mark.parametrize("spell", [by_link, by_dots, by_root])
def test_a_server_that_was_started_by_another_spelling_is_kept_by_the_plain_one(
    servers: ServerFixture, spell: Callable[[Path], Path]
) -> None:
    servers.run_dir.mkdir(mode=0o700)
    older_server(servers, spell(servers.run_dir))

    assert remove_orphaned(servers.engine, servers.run_dir) == 0
    assert len(servers.engine.list({})) == 1


def test_a_server_whose_spelling_leads_nowhere_any_more_is_kept(servers: ServerFixture) -> None:
    servers.run_dir.mkdir(mode=0o700)
    older_server(servers, by_link(servers.run_dir))
    servers.run_dir.parent.joinpath("link").unlink()

    assert remove_orphaned(servers.engine, servers.run_dir) == 0
    assert len(servers.engine.list({})) == 1


def test_the_records_in_a_copy_of_the_directory_end_no_server(
    servers: ServerFixture, tmp_path: Path
) -> None:
    older_server(servers, servers.run_dir)
    copy = tmp_path / "copy"
    shutil.copytree(servers.run_dir, copy, ignore=shutil.ignore_patterns("api.sock"))
    for record in copy.glob("*.shared/keep-alive"):
        record.write_text("0")

    assert remove_orphaned(servers.engine, copy) == 0
    assert len(servers.engine.list({})) == 1


def test_a_new_server_is_labelled_with_the_spelling_that_has_no_links(run_dir: Path) -> None:
    run_dir.joinpath("real").mkdir()
    run_dir.joinpath("link").symlink_to("real")

    made = new_server_dir(run_dir / "link/ramalama", DEAD)

    assert made.path.parent == run_dir / "real/ramalama"


def test_a_link_that_shortens_a_path_is_used(run_dir: Path) -> None:
    long = run_dir / ("x" * 80)
    long.mkdir()
    run_dir.joinpath("link").symlink_to(long)

    made = new_server_dir(run_dir / "link/ramalama", DEAD)

    assert made.path.parent == run_dir / "link/ramalama"
