"""A file of lines that outlives its process, and what a disk or another process can do to it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.journal import Journal, Line, orphans
from tests.disks import full_disk

PATTERN = "*.jsonl"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway.ledger-1.jsonl"


def left_behind(directory: Path) -> list[list[Line]]:
    return [orphan.lines() for orphan in orphans(directory, PATTERN)]


def test_what_was_appended_is_left_behind(path: Path) -> None:
    journal = Journal(path)
    lines: list[Line] = [["open", {"id": "é\n\0"}], ["row", {"id": "é\n\0"}, None]]
    for line in lines:
        journal.append(line)
    assert path.stat().st_mode & 0o777 == 0o600
    assert journal.size == path.stat().st_size > 0
    assert left_behind(path.parent) == [], "it is alive"
    journal.close(keep=True)
    assert left_behind(path.parent) == [lines]
    for orphan in orphans(path.parent, PATTERN):
        assert abs(orphan.ended_ms - path.stat().st_mtime * 1000) < 2
        orphan.remove()
    assert list(path.parent.iterdir()) == []


def test_who_ends_well_leaves_nothing(path: Path) -> None:
    journal = Journal(path)
    journal.append(["open", {}])
    journal.close(keep=False)
    assert list(path.parent.iterdir()) == []
    with pytest.raises(OSError, match="not open"):
        journal.append(["open", {}])
    journal.clear()
    journal.close(keep=True)


def test_lines_are_replaced_and_cleared(path: Path) -> None:
    journal = Journal(path)
    for number in range(100):
        journal.append(["row", number])
    before = journal.size
    journal.replace([["row", 1], ["row", 2]])
    assert journal.size == path.stat().st_size < before
    journal.append(["row", 3])
    assert left_behind(path.parent) == [], "the new file is locked as the old one was"
    assert path.read_bytes() == b'["row",1]\n["row",2]\n["row",3]\n'
    assert path.stat().st_mode & 0o777 == 0o600
    journal.clear()
    assert journal.size == path.stat().st_size == 0
    journal.append(["row", 4])
    journal.close(keep=True)
    assert left_behind(path.parent) == [[["row", 4]]]


@pytest.mark.parametrize("room", [0, 1, 5, 12])
def test_a_line_for_which_there_was_no_room_spoils_no_other(path: Path, room: int) -> None:
    journal = Journal(path)
    journal.append(["open", "before"])
    with full_disk(path, room):
        for _ in range(2):
            with pytest.raises(OSError, match="too large"):
                journal.append(["open", "without room"])
        with pytest.raises(OSError, match="too large"):
            journal.replace([["open", "without room" * 10]])
    journal.append(["open", "after"])
    journal.close(keep=True)
    assert left_behind(path.parent) == [[["open", "before"], ["open", "after"]]]
    assert list(path.parent.iterdir()) == [path]


def test_a_torn_line_is_cleared_too(path: Path) -> None:
    journal = Journal(path)
    with full_disk(path, 5), pytest.raises(OSError, match="too large"):
        journal.append(["open", "without room"])
    assert journal.size == 0 < path.stat().st_size
    journal.clear()
    assert path.stat().st_size == 0
    journal.close(keep=False)


def test_a_directory_that_is_gone_stops_nothing_that_is_open(path: Path) -> None:
    inside = path.parent / "inside" / path.name
    inside.parent.mkdir()
    journal = Journal(inside)
    journal.append(["row", 1])
    inside.unlink()
    inside.parent.rmdir()
    with pytest.raises(OSError, match="not open"):
        journal.replace([["row", 2]])
    journal.append(["row", 3])
    assert journal.size == 2 * len('["row",1]\n')
    journal.close(keep=False)


@given(whole=st.integers(0, 60))
def test_a_journal_cut_anywhere_has_its_whole_lines(
    tmp_path_factory: pytest.TempPathFactory, whole: int
) -> None:
    directory = tmp_path_factory.mktemp("cut")
    lines: list[Line] = [["open", {"id": number}] for number in range(3)]
    journal = Journal(directory / "a.jsonl")
    for line in lines:
        journal.append(line)
    journal.close(keep=True)
    content = (directory / "a.jsonl").read_bytes()
    (directory / "a.jsonl").write_bytes(content[:whole])
    # A line is whole with its last bracket, whether or not a newline follows.
    count = sum(len(content.split(b"\n")[0]) + n * 18 <= whole for n in range(3))
    assert left_behind(directory) == [lines[:count]]


@pytest.mark.parametrize(
    "content", [b"hello\n", b"{}\n", b"5\n", b'["open", 1]\n\xff\xfe\n', b"null"]
)
def test_what_is_no_journal_is_said_to_be_none(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    [orphan] = orphans(path.parent, PATTERN)
    with pytest.raises(ValueError, match=r"line [12] is none of a journal's"):
        orphan.lines()
    aside = orphan.set_aside()
    assert aside.read_bytes() == content
    assert left_behind(path.parent) == []


def test_zeros_of_a_failure_of_power_are_no_lines(path: Path) -> None:
    path.write_bytes(b'["open",1]\n' + b"\0" * 4096)
    assert left_behind(path.parent) == [[["open", 1]]]


def test_a_draft_goes_with_its_journal(path: Path) -> None:
    Journal(path).close(keep=True)
    path.with_suffix(".draft").write_bytes(b"half")
    assert left_behind(path.parent) == [[]]
    assert list(path.parent.iterdir()) == [path]


def test_of_two_that_look_at_once_one_gets_it(path: Path) -> None:
    Journal(path).close(keep=True)
    first, second = orphans(path.parent, PATTERN), orphans(path.parent, PATTERN)
    orphan = next(first)
    assert list(second) == []
    orphan.remove()
    assert list(first) == []


def test_a_killed_process_lets_go_of_its_lock(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from gateway.journal import Journal\n"
        "journal = Journal(Path(sys.argv[1])); journal.append(['open', 1])\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert left_behind(path.parent) == []
        process.kill()
        process.wait()
        assert left_behind(path.parent) == [[["open", 1]]]


def test_a_journal_that_gets_replaced_while_another_looks_is_not_taken(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other has opened the old file, which is let go of, before it tries the lock."""
    journal = Journal(path)
    system_open = os.open

    def then_replaced(name: Path, *arguments: int) -> int:
        file = system_open(name, *arguments)
        monkeypatch.undo()
        journal.replace([["open", 2]])
        return file

    monkeypatch.setattr(os, "open", then_replaced)
    assert left_behind(path.parent) == []
    journal.close(keep=False)
