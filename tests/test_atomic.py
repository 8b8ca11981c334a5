"""Files and folders appear whole or not at all, and what others read stays where it is."""
from __future__ import annotations

import threading
from pathlib import Path

import pytest

from methods import atomic
from suites.world import World, write


def _names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_folder_takes_the_place_of_another(tmp_path):
    for word in ("old", "new"):
        with atomic.folder(tmp_path / "at") as fresh:
            (fresh / word).write_text(word)
    assert _names(tmp_path) == ["at"]
    assert _names(tmp_path / "at") == ["new"]


def test_a_folder_made_once_stays_for_those_who_read_it(tmp_path):
    with atomic.folder(tmp_path / "at", once=True) as late:
        (late / "a").write_text("second")
        with atomic.folder(tmp_path / "at", once=True) as early:
            (early / "a").write_text("first")
        node = (tmp_path / "at").stat().st_ino
    assert ((tmp_path / "at").stat().st_ino, (tmp_path / "at" / "a").read_text()) == (node, "first")
    assert _names(tmp_path) == ["at"]


@pytest.mark.parametrize("once", [False, True])
def test_a_block_that_fails_leaves_nothing(tmp_path, once):
    def fail() -> None:
        with atomic.folder(tmp_path / "at", once=once) as fresh:
            (fresh / "half").write_text("")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert _names(tmp_path) == []


def test_a_file_in_the_way_of_a_folder_is_told(tmp_path):
    (tmp_path / "at").write_text("mine")
    with pytest.raises(NotADirectoryError), atomic.folder(tmp_path / "at", once=True) as fresh:
        (fresh / "a").write_text("")
    assert _names(tmp_path) == ["at"]


def test_a_world_written_by_several_at_once_is_never_away(tmp_path):
    """Who has it goes on reading while others come to their end."""
    places: list[Path] = []
    gate = threading.Barrier(4)

    def make() -> None:
        gate.wait()
        places.append(write(World(), tmp_path))

    makers = [threading.Thread(target=make) for _ in range(4)]
    for maker in makers:
        maker.start()
    while not any(p.is_dir() and not p.name.startswith(".") for p in tmp_path.iterdir()):
        pass
    place = next(p for p in tmp_path.iterdir() if not p.name.startswith("."))
    node = place.stat().st_ino
    while any(m.is_alive() for m in makers):
        assert place.stat().st_ino == node
    assert set(places) == {place}
    assert _names(tmp_path) == [place.name]
