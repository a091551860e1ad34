"""Events come back from their stored form as they went in, and unknown content is refused."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import msgspec
import pytest

from trading_assets.model.events import AnyEvent
from trading_assets.model.order import Side
from trading_assets.model.order_events import Fill

FILL = Fill(
    execution_id="e-1",
    client_order_id="o-1",
    symbol="BRK.B",
    side=Side.SELL,
    quantity=Decimal("0.123456789"),
    price=Decimal("412.10"),
    commission=Decimal("1.00"),
    currency="USD",
    executed_at=dt.datetime(2024, 3, 4, 21, tzinfo=dt.UTC),
)


def test_decimals_are_stored_as_text_with_every_digit() -> None:
    stored = msgspec.json.decode(msgspec.json.encode(FILL))
    assert (stored["quantity"], stored["price"]) == ("0.123456789", "412.10")
    assert stored["type"] == "fill"


def test_an_event_comes_back_as_its_own_kind() -> None:
    assert msgspec.json.decode(msgspec.json.encode(FILL), type=AnyEvent) == FILL


@pytest.mark.parametrize(
    "change", [{"surprise": 1}, {"quantity": "many"}, {"side": "hold"}, {"type": "rumour"}]
)
def test_content_that_no_event_has_is_refused(change: dict[str, object]) -> None:
    stored = msgspec.json.decode(msgspec.json.encode(FILL)) | change
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(stored), type=AnyEvent)


def test_an_event_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        FILL.price = Decimal(1)  # type: ignore[misc]
