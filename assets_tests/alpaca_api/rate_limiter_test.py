"""How many requests leave in a minute, tried on a clock that only sleeping moves."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from assets_tests.alpaca.server import AlpacaStandIn, running_alpaca
from trading_assets.alpaca_api.rate_limiter import RateLimiter


class Clock:
    """Seconds that pass only by sleeping, or when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def read(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def limited(requests_per_minute: int) -> tuple[RateLimiter, Clock]:
    clock = Clock()
    return RateLimiter(requests_per_minute, clock.read, clock.sleep), clock


def test_as_many_as_allowed_leave_at_once_and_the_next_waits_for_the_first_to_be_a_minute_ago() -> (
    None
):
    limiter, clock = limited(3)
    assert [limiter.acquire() for _ in range(3)] == [0, 0, 0]
    clock.now += 10
    assert limiter.acquire() == 50
    assert clock.slept == [50]


def test_a_minute_after_the_last_request_nothing_waits() -> None:
    limiter, clock = limited(2)
    limiter.acquire()
    limiter.acquire()
    clock.now += 60
    assert [limiter.acquire(), limiter.acquire()] == [0, 0]


def test_in_no_minute_more_requests_leave_than_allowed() -> None:
    limiter, clock = limited(5)
    left = []
    for number in range(40):
        limiter.acquire()
        left.append(clock.now)
        clock.now += (number * 7) % 11
    assert all(left[place] - left[place - 5] >= 60 for place in range(5, 40))


def test_what_the_broker_asks_for_is_waited_for() -> None:
    limiter, clock = limited(100)
    limiter.acquire()
    limiter.hold(7.5)
    assert limiter.acquire() == 7.5
    assert limiter.acquire() == 0
    assert clock.now == 1007.5


def test_a_shorter_hold_does_not_end_a_longer_one() -> None:
    limiter, _ = limited(100)
    limiter.hold(20)
    limiter.hold(1)
    assert limiter.acquire() == 20


def test_threads_share_the_allowance() -> None:
    """20 threads and 10 places: ten wait a minute each, whoever they are."""
    waits: list[float] = []
    limiter = RateLimiter(10, clock=lambda: 0.0, sleep=lambda _: None)
    threads = [threading.Thread(target=lambda: waits.append(limiter.acquire())) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(waits) == [0.0] * 10 + [60.0] * 10


def test_an_allowance_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        RateLimiter(0)


# Counted in a file


def sharing(file: Path, clock: Clock, requests_per_minute: int) -> RateLimiter:
    return RateLimiter(requests_per_minute, clock.read, clock.sleep, file=file)


def test_all_that_count_in_one_file_keep_to_the_limit_together(tmp_path: Path) -> None:
    clock, file = Clock(), tmp_path / "requests" / "account.json"
    one, other = sharing(file, clock, 3), sharing(file, clock, 3)
    assert [one.acquire(), other.acquire(), one.acquire()] == [0, 0, 0]
    clock.now += 10
    assert other.acquire() == 50


def test_who_has_a_smaller_share_waits_while_another_goes_on(tmp_path: Path) -> None:
    clock, file = Clock(), tmp_path / "account.json"
    small, large = sharing(file, clock, 2), sharing(file, clock, 4)
    assert [large.acquire(), large.acquire(), large.acquire()] == [0, 0, 0]
    clock.now += 1
    assert large.acquire() == 0
    # Two are left of the last minute only when the first three are a minute ago.
    assert small.acquire() == 59
    assert clock.now == 1060


def test_a_hold_is_for_all_that_count_together(tmp_path: Path) -> None:
    clock, file = Clock(), tmp_path / "account.json"
    sharing(file, clock, 9).hold(7.5)
    assert sharing(file, clock, 9).acquire() == 7.5


@pytest.mark.parametrize("content", [b"", b'{"moments":[1000.0,', b"[]", b'{"moments":["x"]}'])
def test_a_file_that_a_process_died_writing_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    clock, file = Clock(), tmp_path / "account.json"
    file.write_bytes(content)
    limiter = sharing(file, clock, 1)
    assert [limiter.acquire(), limiter.acquire()] == [0, 60]


def test_moments_of_before_the_machine_was_started_are_no_reason_to_wait(tmp_path: Path) -> None:
    """The clock begins again at 0 then, and everything counted lies far ahead."""
    clock, file = Clock(), tmp_path / "account.json"
    clock.now = 900_000.0
    before = sharing(file, clock, 1)
    before.acquire()
    before.hold(30)
    clock.now = 12.0
    limiter = sharing(file, clock, 1)
    # A hold is a minute at most, whenever it was.
    assert limiter.acquire() == 60
    assert limiter.acquire() == 60


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelname == "WARNING"]


HOLDS = """
import sys
from filelock import FileLock
lock = FileLock(sys.argv[1])
lock.acquire()
print("locked", flush=True)
sys.stdin.readline()
"""


def test_a_process_that_is_stopped_while_it_counts_holds_nobody_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, file = Clock(), tmp_path / "account.json"
    sharing(file, clock, 2).acquire()
    limiter = RateLimiter(2, clock.read, clock.sleep, file=file, lock_seconds=0.2)
    command, pipe = [sys.executable, "-c", HOLDS, f"{file}.lock"], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        holder.send_signal(signal.SIGSTOP)
        started = time.monotonic()
        # Alone it does not know of the one before; it keeps to its own number.
        waits = [limiter.acquire(), limiter.acquire(), limiter.acquire()]
        took_seconds = time.monotonic() - started
        holder.kill()
    assert waits == [0, 0, 60]
    assert 0.2 <= took_seconds < 2
    assert len(told(caplog)) == 1
    assert "account.json.lock' could not be acquired" in told(caplog)[0]
    # A minute later it counts with the others again, who learn of what left meanwhile.
    assert limiter.acquire() == 0
    assert sharing(file, clock, 2).acquire() == 60
    assert len(told(caplog)) == 1


def test_what_was_counted_together_still_counts_when_the_file_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, file = Clock(), tmp_path / "account.json"
    limiter, other = sharing(file, clock, 3), sharing(file, clock, 3)
    other.acquire()
    limiter.acquire()
    file.unlink()
    file.mkdir()
    assert [limiter.acquire(), limiter.acquire()] == [0, 60]
    assert "Is a directory" in told(caplog)[0]
    limiter.hold(5)
    assert limiter.acquire() == 5


@pytest.mark.parametrize("unusable", ["account.json", "account.json.lock"])
def test_a_file_that_cannot_be_used_stops_no_request(
    tmp_path: Path, unusable: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    (tmp_path / unusable).mkdir()
    limiter = sharing(tmp_path / "account.json", clock, 2)
    assert [limiter.acquire(), limiter.acquire(), limiter.acquire()] == [0, 0, 60]
    # Once at first, and once a minute later.
    assert len(told(caplog)) == 1
    limiter.acquire()
    assert len(told(caplog)) == 2
    assert "may be more than the key allows" in told(caplog)[0]


def test_a_disk_that_is_full_stops_no_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock, file = Clock(), tmp_path / "account.json"
    limiter = sharing(file, clock, 1)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        assert [limiter.acquire(), limiter.acquire()] == [0, 60]
    assert "No space left on device" in told(caplog)[0]
    assert [limiter.acquire(), sharing(file, clock, 1).acquire()] == [60, 60]


ASKS = """
import sys
from pathlib import Path
from trading_assets.alpaca_api.rate_limiter import RateLimiter
from trading_assets.alpaca_api.session import ApiSession
from trading_assets.alpaca_api.statistics import ApiMeter

url, key, secret, file = sys.argv[1:]
limiter = RateLimiter(10, file=Path(file) if file else None, window_seconds=2.0)
session = ApiSession(limiter, ApiMeter(), 5.0)
session.headers.update({"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret})
print("ready", flush=True)
sys.stdin.readline()
for _ in range(8):
    session.request("GET", url + "/v2/clock")
"""


def refused(alpaca: AlpacaStandIn, file: str) -> int:
    """How many requests of two processes, at 10 in two seconds, the stand-in refuses, which allows
    12 in one."""
    alpaca.gateway.rate_limit.limit, alpaca.gateway.rate_limit.window_seconds = 12, 1.0
    words = [alpaca.base_url, alpaca.api_key, alpaca.secret_key, file]
    command, pipe = [sys.executable, "-c", ASKS, *words], subprocess.PIPE
    started = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(2)]
    for one in started:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in started:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    for one in started:
        one.communicate(timeout=60)
    assert [one.returncode for one in started] == [0, 0]
    assert len(alpaca.requests) == 16
    return sum(record.status == 429 for record in alpaca.requests)


def test_two_processes_stay_below_the_limit_that_each_alone_would_keep(tmp_path: Path) -> None:
    with running_alpaca() as alpaca:
        assert refused(alpaca, str(tmp_path / "account.json")) == 0
    with running_alpaca() as alpaca:
        assert refused(alpaca, "") > 0
