"""A second process makes the files of a long backfill; what it does not do is done here."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from trading_assets.assets import ahead
from trading_assets.assets.ahead import Ahead, computed_ahead

MANY = 20
HERE = os.getpid()

pytestmark = pytest.mark.skipif(
    not ahead._may_fork(), reason="needs Linux and a second core, without which nothing forks"
)


@pytest.fixture(autouse=True)
def few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten items make a process, fifteen go to one; none has failed yet."""
    monkeypatch.setattr(ahead._Forked, "given_up", False)
    monkeypatch.setattr(ahead, "FEWEST", 10)
    monkeypatch.setattr(ahead, "MOST", 15)


@pytest.fixture(autouse=True)
def nobody_is_left() -> Iterator[None]:
    """Every test ends without a process of its own."""
    yield
    assert multiprocessing.active_children() == []


def file_of(folder: Path) -> Callable[[int], tuple[int, bool]]:
    """Writes a file for an item; says the item, and whether this process did it."""

    def write(item: int) -> tuple[int, bool]:
        (folder / f"{item}").write_text(str(item))
        return item, os.getpid() == HERE

    return write


def items_of(folder: Path) -> list[int]:
    return sorted(int(path.name) for path in folder.iterdir())


def test_many_items_are_written_by_other_processes_and_told_in_order(tmp_path: Path) -> None:
    found = list(computed_ahead(file_of(tmp_path), range(2 * 15)))
    assert found == [(item, False) for item in range(30)]
    assert items_of(tmp_path) == list(range(30))


def test_few_items_and_the_few_that_are_left_over_are_written_here(tmp_path: Path) -> None:
    assert list(computed_ahead(file_of(tmp_path), range(9))) == [(item, True) for item in range(9)]
    found = list(computed_ahead(file_of(tmp_path), range(15 + 9)))
    assert [item for item, is_here in found if is_here] == list(range(15, 24))


def test_without_a_second_core_all_is_written_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "_may_fork", lambda: False)
    found = list(computed_ahead(file_of(tmp_path), range(MANY)))
    assert found == [(item, True) for item in range(MANY)]


def test_items_are_taken_no_further_ahead_than_one_process_is_given(tmp_path: Path) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(40):
            taken.append(item)
            yield item

    found = computed_ahead(file_of(tmp_path), items())
    assert next(found) == (0, False)
    assert taken == list(range(15))
    found.close()


def test_error_comes_out_here_after_the_results_before_it() -> None:
    def odd(item: int) -> int:
        if item == 7:
            raise ValueError(f"nothing can be made of {item}")
        return item

    found = computed_ahead(odd, range(MANY))
    assert [next(found) for _ in range(7)] == list(range(7))
    with pytest.raises(ValueError, match="nothing can be made of 7"):
        next(found)
    assert not ahead._Forked.given_up


def test_items_before_one_that_cannot_be_had_are_written(tmp_path: Path) -> None:
    def items() -> Iterator[int]:
        yield from range(12)
        raise LookupError("no price of the thirteenth")

    found = computed_ahead(file_of(tmp_path), items())
    assert [next(found) for _ in range(12)] == [(item, False) for item in range(12)]
    with pytest.raises(LookupError, match="thirteenth"):
        next(found)


def test_closed_early_it_writes_nothing_more(tmp_path: Path) -> None:
    def slow(item: int) -> int:
        time.sleep(0.02)
        (tmp_path / f"{item}").write_text("")
        return item

    with closing(computed_ahead(slow, range(15))) as found:
        assert next(found) == 0
    written = items_of(tmp_path)
    time.sleep(0.2)
    assert items_of(tmp_path) == written
    projected = Ahead(slow)
    for item in range(100, 110):
        projected.add(item)
    projected.close()
    written = items_of(tmp_path)
    time.sleep(0.2)
    assert items_of(tmp_path) == written


def test_where_no_process_can_be_made_all_is_written_here_and_no_other_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full() -> int:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(os, "fork", full)
    found = list(computed_ahead(file_of(tmp_path), range(2 * 15)))
    assert found == [(item, True) for item in range(30)]
    assert [record.message for record in caplog.records] == [
        "The second process failed; everything is computed in this one from here."
    ]


def test_beside_a_connection_that_may_not_be_shared_nothing_forks(tmp_path: Path) -> None:
    projected = Ahead(file_of(tmp_path), forks=False)
    for item in range(12):
        projected.add(item)
        assert items_of(tmp_path) == list(range(item + 1))
    assert projected.finish() == [(item, True) for item in range(12)]


def test_what_a_killed_process_did_not_do_is_done_here(tmp_path: Path) -> None:
    write = file_of(tmp_path)

    def dies(item: int) -> tuple[int, bool]:
        if item == 5 and os.getpid() != HERE:
            os.kill(os.getpid(), signal.SIGKILL)
        return write(item)

    found = list(computed_ahead(dies, range(12)))
    assert found == [(item, item >= 5) for item in range(12)]
    assert ahead._Forked.given_up
    assert items_of(tmp_path) == list(range(12))


def test_silent_process_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "SILENCE_SECONDS", 0.3)
    write = file_of(tmp_path)

    def hangs(item: int) -> tuple[int, bool]:
        if item == 3 and os.getpid() != HERE:
            time.sleep(600)
        return write(item)

    assert list(computed_ahead(hangs, range(12))) == [(item, item >= 3) for item in range(12)]


def test_result_that_cannot_be_sent_is_made_here() -> None:
    def unsendable(item: int) -> Callable[[], int]:
        return lambda: item

    assert [each() for each in computed_ahead(unsendable, range(12))] == list(range(12))


def test_interrupt_of_the_terminal_is_the_callers_to_answer(tmp_path: Path) -> None:
    write = file_of(tmp_path)

    def interrupted(item: int) -> tuple[int, bool]:
        if os.getpid() != HERE:
            os.kill(os.getpid(), signal.SIGINT)
        return write(item)

    assert list(computed_ahead(interrupted, range(12))) == [(item, False) for item in range(12)]


def test_items_that_come_one_by_one_are_written_while_the_next_are_awaited(
    tmp_path: Path,
) -> None:
    projected = Ahead(file_of(tmp_path))
    for item in range(10):
        projected.add(item)
    deadline = time.monotonic() + 30
    while items_of(tmp_path) != list(range(10)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert items_of(tmp_path) == list(range(10))
    for item in range(10, 24):
        projected.add(item)
    assert projected.finish() == [(item, item >= 20) for item in range(24)]
    projected.add(24)
    assert projected.finish() == [(24, True)]
    assert projected.finish() == []


def test_error_of_an_item_that_came_by_itself_is_raised_by_finish() -> None:
    def odd(item: int) -> int:
        if item == 7:
            raise ValueError(f"nothing can be made of {item}")
        return item

    projected = Ahead(odd)
    for item in range(10):
        projected.add(item)
    with pytest.raises(ValueError, match="nothing can be made of 7"):
        projected.finish()


KILLED = """
import os, sys, time
from pathlib import Path
from trading_assets.assets import ahead
folder = Path(sys.argv[1])
def write(item):
    (folder / f"{item}").write_text("")
    time.sleep(0.02)
    return item, "more than a pipe holds of many" * 10_000
found = ahead.computed_ahead(write, range(400))
next(found)
print("begun", flush=True)
os.kill(os.getpid(), 9)
"""


def test_process_of_a_caller_that_was_killed_writes_nothing_more(tmp_path: Path) -> None:
    """A run after it may restate those sessions: nothing may be written behind its back."""
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    killed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, "begun\n")
    time.sleep(0.5)
    written = items_of(tmp_path)
    assert 0 < len(written) < 100
    time.sleep(0.3)
    assert items_of(tmp_path) == written
    # Nor does it stay, with all its memory, waiting for somebody to read.
    assert not [
        path
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if str(tmp_path).encode() in _content(path)
    ]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
