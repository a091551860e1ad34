"""Identity of a plan and of its orders, computed from what they say and from nothing else.

The same plan made again has the same ids, so sending it again is recognised; a plan that differs
in anything has others. Never random, never dependent on the attempt.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from decimal import Decimal

import msgspec

from trading_assets.model.money import plain
from trading_assets.model.plan import OrderPlan, PlannedOrder

CLIENT_ORDER_ID_MAX = 128
"""Longest client order id that brokers accept."""
_PART_MAX = 40
"""Of a portfolio's id and of a symbol in it; with the other parts that makes at most 113."""
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9_.-]")


def identified(plan: OrderPlan, portfolio_id: str, revision: int) -> OrderPlan:
    """`plan` with digest, batch id and, on each order that is to be sent, its client order id.

    `revision` is the number of restatements of the book: the same content planned again after a
    restatement must not carry ids that the broker has already seen. What the plan holds in these
    fields before is ignored.
    """
    orders = tuple(msgspec.structs.replace(order, client_order_id="") for order in plan.orders)
    bare = msgspec.structs.replace(plan, orders=orders, digest="", batch_id="")
    content = msgspec.to_builtins(bare, builtin_types=(Decimal, dt.date))
    if plan.buying_power is None:
        # Plans that know of none are named as they were before there was any.
        del content["buying_power"]
    text = json.dumps(
        {"portfolio_id": portfolio_id, "revision": revision, "plan": content},
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=True,
        default=_canonical,
    )
    digest = hashlib.sha256(text.encode("ascii")).hexdigest()[:16]
    return msgspec.structs.replace(
        bare,
        digest=digest,
        batch_id=f"{plan.session:%Y%m%d}-{digest[:8]}",
        orders=tuple(
            msgspec.structs.replace(
                order, client_order_id=client_order_id(portfolio_id, plan.session, digest, order)
            )
            if order.quantity > 0
            else order
            for order in orders
        ),
    )


def client_order_id(portfolio_id: str, session: dt.date, digest: str, order: PlannedOrder) -> str:
    """Id under which `order` of the plan `digest` is sent: at most CLIENT_ORDER_ID_MAX
    characters of [A-Za-z0-9_.-].

    Symbols are made to fit for the reader's sake; the last part is computed from the symbol as it
    is and from the leg, so two orders of a batch never share an id.
    """
    raw = "|".join((portfolio_id, digest, order.symbol, order.side.value, str(order.leg)))
    short = hashlib.sha256(raw.encode()).hexdigest()[:8]
    parts = (
        _fit(portfolio_id),
        f"{session:%Y%m%d}",
        digest[:8],
        _fit(order.symbol),
        order.side.value,
        short,
    )
    name = "_".join(parts)
    assert len(name) <= CLIENT_ORDER_ID_MAX
    return name


def _fit(text: str) -> str:
    return _NOT_ALLOWED.sub("-", text)[:_PART_MAX]


def _canonical(value: Decimal | dt.date) -> str:
    return plain(value) if isinstance(value, Decimal) else value.isoformat()
