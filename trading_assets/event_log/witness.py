"""The last head that this machine saw of a book, kept apart from the book.

Problem: a hash chain shows every change but one, the loss of its end. An SQLite book whose
write-ahead log was deleted, whose log is damaged (SQLite then stops at the first bad frame and says
nothing), whose file was replaced by an older copy, or whose last rows were deleted, is a shorter
chain that verifies. Orders would be planned from it, and sent, again.

Choice: after each append, the new head is written into a small file beside the book. It is written
after the commit, so it is never ahead of a chain that lost nothing; where it is ahead, the book is
refused. A kill between the two leaves it one append behind, which is harmless. It is overwritten in
place with a checksum (no rename, no flush: the book itself is what must survive a power cut, and a
witness that is older than the book is still true).

Rejected: a table in the same database (lost with it), the simulated broker and the tables of the
lake (only some books have them; `book verify` compares with them too).
"""

from __future__ import annotations

import os
import time
import zlib
from pathlib import Path

from trading_assets.errors import BookCorruptError, BookUnavailableError
from trading_assets.event_log.chain import EMPTY, Head

_ATTEMPTS = 5
_PAUSE_SECONDS = 0.02


class HeadWitness:
    """The file that holds the last head seen of one book."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Head:
        """The last head seen; that of an empty book where there is no file.

        Raises BookCorruptError where the file holds something else.
        """
        for attempt in range(_ATTEMPTS):
            try:
                content = self.path.read_text(encoding="ascii", errors="replace")
            except FileNotFoundError:
                return EMPTY
            head = _parsed(content)
            if head is not None:
                return head
            # Another process may be overwriting it just now.
            if attempt < _ATTEMPTS - 1:
                time.sleep(_PAUSE_SECONDS)
        raise BookCorruptError(
            f"{self.path}: holds no head of a book: {content[:100]!r}. Compare the book's head "
            "(`trading_assets book verify`) with the last report, then delete this file; it is "
            "made again."
        )

    def write(self, head: Head) -> None:
        """Note a head that is durable in the book."""
        content = _line(head)
        try:
            file = self._opened()
            try:
                os.pwrite(file, content.encode(), 0)
                os.ftruncate(file, len(content))
            finally:
                os.close(file)
        except OSError as error:
            raise BookUnavailableError(
                f"{self.path}: the book's new head could not be noted ({error.strerror}). The book "
                f"itself is complete up to record {head.sequence}. Free space or give permission, "
                "then run again."
            ) from error

    def _opened(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT
        try:
            return os.open(self.path, flags, 0o644)
        except FileNotFoundError:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self.path, flags, 0o644)

    def require_reached(self, seen: Head, head: Head, hash_there: str | None, place: str) -> None:
        """BookCorruptError where a book that ends at `head` does not hold `seen`, the head read
        from this file before; `hash_there` is the book's hash at that sequence number."""
        if seen.sequence > head.sequence:
            raise BookCorruptError(
                f"{place}: the book ends at record {head.sequence}, but record {seen.sequence} "
                f"({seen.hash[:12]}…) was in it: its end was lost, for example by deleting its "
                "-wal file or restoring an older copy. Restore the whole book from a backup or an "
                f"export. To go on without the lost records, delete {self.path}."
            )
        if seen.sequence and hash_there != seen.hash:
            raise BookCorruptError(
                f"{place}: record {seen.sequence} is {str(hash_there)[:12]}…, but this machine saw "
                f"{seen.hash[:12]}… there: the book was replaced by another. Restore it from a "
                f"backup. To go on with this one, delete {self.path}."
            )


def _line(head: Head) -> str:
    content = f"{head.sequence:012d} {head.hash}"
    return f"{content} {zlib.crc32(content.encode()):08x}\n"


def _parsed(content: str) -> Head | None:
    parts = content.split()
    if len(parts) != 3 or not parts[0].isdigit():
        return None
    head = Head(int(parts[0]), parts[1])
    return head if _line(head) == content else None
