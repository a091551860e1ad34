"""Speed of the book: events a second appended durably in batches, and read, with every event
validated against its schema; beside it the same without validation, in the same process.

    python -m assets_tests.bench.event_log [--events 50000] [--batch 500] [--folder FOLDER]

Each round makes a new book of fills in SQLite (WAL, synchronous=FULL), hashes included, once with
and once without validation, in turns; the best of the rounds counts.
"""

from __future__ import annotations

import argparse
import datetime as dt
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from unittest.mock import patch

import msgspec

from trading_assets.event_log import contracts
from trading_assets.event_log.store import EventLog, open_event_log
from trading_assets.model.events import AnyEvent, NewEvent
from trading_assets.model.order import Side
from trading_assets.model.order_events import Fill

SESSION = dt.date(2024, 3, 4)
OPEN = dt.datetime(2024, 3, 4, 14, 30, tzinfo=dt.UTC)
ROUNDS = 3
# What the log did before there were contracts: encode the record, decode by the union's tag.
_ENCODER = msgspec.json.Encoder(decimal_format="string", order="sorted")
_DECODER = msgspec.json.Decoder(AnyEvent)


def _decode(_kind: str, _version: int, payload: str | bytes) -> AnyEvent:
    event: AnyEvent = _DECODER.decode(payload)
    return event


def fills(count: int) -> list[NewEvent]:
    """Fills of a thousand symbols, a few cents and seconds apart."""
    made = []
    for number in range(count):
        moment = OPEN + dt.timedelta(milliseconds=250 * number)
        fill = Fill(
            execution_id=f"execution-{number:08d}",
            client_order_id=f"SAMPLE_20240304_1c278a93_S{number % 1000:03d}_buy_{number:08x}",
            symbol=f"S{number % 1000:03d}",
            side=Side.BUY if number % 3 else Side.SELL,
            quantity=Decimal(number % 900 + 1) / 8,
            price=Decimal(10_000 + number % 7_919) / 100,
            commission=Decimal("0.35"),
            currency="USD",
            executed_at=moment,
        )
        made.append(
            NewEvent(
                key=fill.execution_id,
                session=SESSION,
                occurred_at=moment,
                source="broker",
                event=fill,
                correlation_id=fill.client_order_id,
            )
        )
    return made


def measured(folder: Path, batches: list[list[NewEvent]]) -> dict[str, float]:
    """Seconds to append all batches to a new book and to read it."""
    log = open_event_log(folder, "bench")
    try:
        return {
            "append": _seconds(lambda: _append(log, batches)),
            "read": _seconds(lambda: _read(log, sum(map(len, batches)))),
        }
    finally:
        log.close()


def _append(log: EventLog, batches: list[list[NewEvent]]) -> None:
    for batch in batches:
        log.append(batch)


def _read(log: EventLog, expected: int) -> None:
    assert sum(1 for _ in log.records()) == expected


def _seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--folder", type=Path, help="where the books are made (default: temporary)")
    options = parser.parse_args()
    events = fills(options.events)
    batches = [events[at : at + options.batch] for at in range(0, len(events), options.batch)]
    best: dict[str, float] = {}
    for _ in range(ROUNDS):
        for way in ("validated", "unvalidated"):
            with ExitStack() as stack:
                folder = stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder))
                if way == "unvalidated":
                    stack.enter_context(patch.object(contracts, "encode", _ENCODER.encode))
                    stack.enter_context(patch.object(contracts, "decode", _decode))
                for work, seconds in measured(Path(folder), batches).items():
                    name = f"{work} {way}"
                    best[name] = min(seconds, best.get(name, seconds))
    print(f"{options.events:,} fills, batches of {options.batch}, best of {ROUNDS}")
    for work in ("append", "read"):
        with_schemas, without = (best[f"{work} {way}"] for way in ("validated", "unvalidated"))
        print(
            f"{work:8s}{options.events / with_schemas:>10,.0f} events/s validated"
            f"{options.events / without:>12,.0f} without   x{with_schemas / without:.2f} time"
        )


if __name__ == "__main__":
    main()
