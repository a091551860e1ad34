"""What happens to files and disks: the book opens to its last whole event or is refused, and is
never silently shorter."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from assets_tests.event_log.facts import deposit
from trading_assets.errors import BookCorruptError, BookError, BookUnavailableError
from trading_assets.event_log.chain import Head
from trading_assets.event_log.store import EventLog, event_log_to_read, open_event_log
from trading_assets.event_log.witness import HeadWitness

PAGE = 4096


def filled(folder: Path, events: int = 400) -> list[str]:
    """A closed book of `events` deposits; their hashes in order."""
    log = open_event_log(folder, "alpha")
    for start in range(0, events, 20):
        log.append(
            [deposit(str(n), reference=f"wire {n} " + "x" * 200) for n in range(start, start + 20)]
        )
    hashes = [record.hash for record in log.records()]
    log.close()
    return hashes


def killed_with_unmerged_log(folder: Path, events: int = 40) -> None:
    """A book of a process that was killed: everything it wrote is in the -wal file only."""
    program = f"""
import os
from pathlib import Path
from assets_tests.event_log.facts import deposit
from trading_assets.event_log.store import open_event_log
log = open_event_log(Path({str(folder)!r}), "alpha")
log.append([deposit(str(n)) for n in range({events} - 1)])
log.append([deposit("last")])
os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (folder / "alpha.sqlite-wal").stat().st_size > 0


def open_or_refuse(folder: Path) -> list[str] | None:
    """Hashes of a book that opens, reads and verifies; None where it is refused in plain words."""
    refusal = None
    try:
        log = open_event_log(folder, "alpha")
        try:
            hashes = [record.hash for record in log.records()]
            log.verify()
        finally:
            log.close()
    except BookCorruptError as error:
        refusal = str(error)
    if refusal is None:
        return hashes
    # It names the file and says what to do.
    assert f"{folder}/alpha.sqlite" in refusal
    assert "estore" in refusal
    return None


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bytes_are_found_wherever_they_are(tmp_path: Path, seed: int) -> None:
    hashes = filled(tmp_path)
    path = tmp_path / "alpha.sqlite"
    content = bytearray(path.read_bytes())
    random_numbers = random.Random(seed)
    start = random_numbers.randrange(100, len(content))
    for place in range(start, min(start + random_numbers.choice((1, 8, 300)), len(content))):
        content[place] ^= random_numbers.randrange(1, 256)
    path.write_bytes(bytes(content))
    # A byte that no record uses may change nothing; otherwise the book is refused.
    assert open_or_refuse(tmp_path) in (None, hashes)


def test_a_page_in_the_middle_that_was_overwritten_is_refused(tmp_path: Path) -> None:
    filled(tmp_path)
    path = tmp_path / "alpha.sqlite"
    content = bytearray(path.read_bytes())
    pages = len(content) // PAGE
    found = 0
    for page in range(1, pages, 7):
        damaged = bytearray(content)
        damaged[page * PAGE : (page + 1) * PAGE] = os.urandom(PAGE)
        path.write_bytes(bytes(damaged))
        found += open_or_refuse(tmp_path) is None
        for extra in ("-wal", "-shm"):
            (tmp_path / f"alpha.sqlite{extra}").unlink(missing_ok=True)
    assert found == len(range(1, pages, 7))


def test_one_digit_of_an_amount_that_was_changed_in_the_file_is_found_on_reading(
    tmp_path: Path,
) -> None:
    log = open_event_log(tmp_path, "alpha")
    log.append([deposit("a"), deposit("b", "54321.00"), deposit("c")])
    log.close()
    path = tmp_path / "alpha.sqlite"
    path.write_bytes(path.read_bytes().replace(b"54321.00", b"94321.00"))
    with pytest.raises(BookCorruptError, match=r"record 2 \(cash_flow of 2024-03-04\).*its hash"):
        list(open_event_log(tmp_path, "alpha").records())


@pytest.mark.parametrize("keep", [0.9, 0.5, 0.1])
def test_a_truncated_file_is_refused(tmp_path: Path, keep: float) -> None:
    filled(tmp_path)
    path = tmp_path / "alpha.sqlite"
    os.truncate(path, int(path.stat().st_size * keep) // PAGE * PAGE)
    assert open_or_refuse(tmp_path) is None


def test_an_empty_file_where_a_book_was_is_refused(tmp_path: Path) -> None:
    filled(tmp_path)
    os.truncate(tmp_path / "alpha.sqlite", 0)
    with pytest.raises(BookCorruptError, match=r"ends at record 0, but record 400"):
        open_event_log(tmp_path, "alpha")


def test_a_file_that_is_gone_is_noticed_by_writers_and_readers(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / "alpha.sqlite").unlink()
    with pytest.raises(BookCorruptError, match=r"ends at record 0, but record 400"):
        event_log_to_read(tmp_path, "alpha")
    assert not (tmp_path / "alpha.sqlite").exists()
    with pytest.raises(BookCorruptError, match=r"delete .*alpha\.head"):
        open_event_log(tmp_path, "alpha")


def test_a_killed_process_loses_nothing_that_it_had_recorded(tmp_path: Path) -> None:
    killed_with_unmerged_log(tmp_path)
    log = open_event_log(tmp_path, "alpha")
    assert (log.head().sequence, log.verify()) == (40, 40)


def test_a_write_ahead_log_that_was_deleted_is_noticed(tmp_path: Path) -> None:
    killed_with_unmerged_log(tmp_path)
    (tmp_path / "alpha.sqlite-wal").unlink()
    with pytest.raises(
        BookCorruptError, match="its end was lost, for example by deleting its -wal"
    ):
        open_event_log(tmp_path, "alpha")


def test_a_write_ahead_log_with_a_damaged_frame_is_noticed(tmp_path: Path) -> None:
    killed_with_unmerged_log(tmp_path)
    path = tmp_path / "alpha.sqlite-wal"
    content = bytearray(path.read_bytes())
    # SQLite stops at the first frame whose checksum is wrong, and says nothing.
    content[-PAGE // 2] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(BookCorruptError, match="ends at record 39, but record 40"):
        open_event_log(tmp_path, "alpha")


def test_an_older_copy_of_the_book_is_noticed(tmp_path: Path) -> None:
    filled(tmp_path, 40)
    shutil.copy(tmp_path / "alpha.sqlite", tmp_path / "copy")
    log = open_event_log(tmp_path, "alpha")
    log.append([deposit("later")])
    log.close()
    shutil.move(tmp_path / "copy", tmp_path / "alpha.sqlite")
    with pytest.raises(BookCorruptError, match="ends at record 40, but record 41"):
        open_event_log(tmp_path, "alpha")
    # A person may decide to go on without what is lost.
    (tmp_path / "alpha.head").unlink()
    assert open_event_log(tmp_path, "alpha").verify() == 40


def test_another_book_in_the_place_of_this_one_is_noticed(tmp_path: Path) -> None:
    filled(tmp_path / "here", 40)
    other = open_event_log(tmp_path / "there", "alpha")
    other.append([deposit(f"other {n}") for n in range(60)])
    other.close()
    shutil.copy(tmp_path / "there" / "alpha.sqlite", tmp_path / "here" / "alpha.sqlite")
    with pytest.raises(BookCorruptError, match="the book was replaced by another"):
        open_event_log(tmp_path / "here", "alpha")


def test_rows_deleted_from_the_end_with_sql_are_noticed(tmp_path: Path) -> None:
    filled(tmp_path, 40)
    with sqlite3.connect(tmp_path / "alpha.sqlite") as database:
        database.execute("DELETE FROM events WHERE sequence > 38")
    with pytest.raises(BookCorruptError, match="ends at record 38, but record 40"):
        open_event_log(tmp_path, "alpha")


def test_rows_deleted_while_a_process_has_the_book_open_stop_its_next_append(
    tmp_path: Path,
) -> None:
    log = open_event_log(tmp_path, "alpha")
    log.append([deposit("a"), deposit("b")])
    with sqlite3.connect(tmp_path / "alpha.sqlite") as database:
        database.execute("DELETE FROM events WHERE sequence = 2")
    with pytest.raises(BookCorruptError, match="record 2 was in the book, and is lost"):
        log.append([deposit("c")])
    assert log.head().sequence == 1


def test_an_index_that_does_not_match_its_table_is_found_by_verification(tmp_path: Path) -> None:
    filled(tmp_path, 40)
    with sqlite3.connect(tmp_path / "alpha.sqlite") as database:
        database.execute("PRAGMA writable_schema=ON")
        # The rows of the index are left, one of the table's is gone behind its back.
        database.execute("DELETE FROM sqlite_master WHERE name = 'events_by_type'")
    with pytest.raises(BookCorruptError, match="damaged or not a book"):
        open_event_log(tmp_path, "alpha").verify()


def test_a_witness_that_was_damaged_is_named_with_what_to_do(tmp_path: Path) -> None:
    filled(tmp_path, 40)
    (tmp_path / "alpha.head").write_text("000000000099 " + "0" * 64 + " 12345678\n")
    with pytest.raises(BookCorruptError, match=r"alpha\.head: holds no head.*delete this file"):
        open_event_log(tmp_path, "alpha")


def test_a_witness_one_append_behind_is_no_fault(tmp_path: Path) -> None:
    hashes = filled(tmp_path, 40)
    HeadWitness(tmp_path / "alpha.head").write(Head(39, hashes[38]))
    assert open_event_log(tmp_path, "alpha").verify() == 40


WRITER = """
import sys
from pathlib import Path
from assets_tests.event_log.facts import deposit
from trading_assets.event_log.store import open_event_log
log = open_event_log(Path(sys.argv[1]), "alpha")
print("open", flush=True)
start = log.head().sequence
for number in range(start, 100000, 3):
    log.append([deposit(str(number + part)) for part in range(3)])
    print(log.head().sequence, flush=True)
"""


def test_a_writer_killed_at_any_moment_leaves_all_it_acknowledged_and_whole_appends(
    tmp_path: Path,
) -> None:
    random_numbers = random.Random(7)
    for _ in range(6):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        time.sleep(random_numbers.uniform(0.005, 0.2))
        writer.kill()
        acknowledged = [int(line) for line in writer.stdout.read().split()]
        writer.wait()
        writer.stdout.close()
        log = open_event_log(tmp_path, "alpha")
        head = log.head().sequence
        assert log.verify() == head
        assert head >= max(acknowledged, default=0)
        assert head % 3 == 0
        log.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small disk can only be mounted by root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill_up(log: EventLog) -> int:
    """Append until there is no room; how many events were acknowledged."""
    acknowledged, refusal = 0, ""
    while not refusal:
        try:
            acknowledged += len(log.append([deposit(str(acknowledged), reference="x" * 2000)]))
        except BookUnavailableError as error:
            refusal = str(error)
    assert "alpha.sqlite" in refusal
    assert "Free space" in refusal
    return acknowledged


def test_a_full_disk_stops_the_writer_and_loses_nothing(small_disk: Path) -> None:
    log = open_event_log(small_disk, "alpha")
    acknowledged = fill_up(log)
    assert acknowledged > 20
    assert [r.sequence for r in log.records()] == list(range(1, acknowledged + 1))
    # Still full: it fails again, and still loses nothing.
    with pytest.raises(BookError):
        log.append([deposit("again", reference="x" * 200000)])
    assert log.verify() == acknowledged
    log.close()
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    log = open_event_log(small_disk, "alpha")
    assert log.verify() == acknowledged
    log.append([deposit("now there is room", reference="x" * 2000)])
    assert log.verify() == acknowledged + 1
    log.close()


def test_a_book_in_a_folder_that_may_not_be_written_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "books"
    folder.mkdir()
    (folder / "alpha.sqlite").mkdir()
    with pytest.raises(BookUnavailableError, match=r"alpha\.sqlite.*Give permission"):
        open_event_log(folder, "alpha")
