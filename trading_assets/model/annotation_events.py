"""Facts of what a person thought of a trade: before it, and after it.

A trade is named as the book names it: by the client order id of its order, or by the execution id
of a fill that no plan of the portfolio asked for. An annotation is never edited; another one takes
its place and says which.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from trading_assets.model.event import Event
from trading_assets.model.fields import Name, Positive

TradeId = Annotated[
    Name,
    Meta(
        description="The trade: the client order id of its order, or the execution id of a foreign "
        "fill."
    ),
]
Supersedes = Annotated[
    str,
    Meta(description="Event id of the annotation whose place it takes; empty for a trade's first."),
]
Author = Annotated[str, Meta(description="Who wrote it; empty where not stated.")]


class PreTradeAnnotation(Event, frozen=True, kw_only=True, tag="pre_trade_annotation"):
    """Why a trade is made and how it is meant to go."""

    trade_id: TradeId
    thesis: Annotated[Name, Meta(description="Why the trade should earn money, in words.")]
    intended_entry: Annotated[
        Name, Meta(description="When, where and how it is to be entered, in words.")
    ]
    size_rationale: Annotated[Name, Meta(description="Why it is as large as it is, in words.")]
    exit_plan: Annotated[Name, Meta(description="What ends it, for better or worse, in words.")]
    intended_price: Annotated[
        Positive | None,
        Meta(description="Price per share at which it was decided; null where not stated."),
    ] = None
    author: Author = ""
    supersedes: Supersedes = ""


class PostTradeAnnotation(Event, frozen=True, kw_only=True, tag="post_trade_annotation"):
    """What became of a trade, seen afterwards."""

    trade_id: TradeId
    outcome: Annotated[Name, Meta(description="What became of it, in words.")]
    matched_expectation: Annotated[
        bool, Meta(description="Whether it went as the annotation before the trade expected.")
    ]
    lesson: Annotated[Name, Meta(description="What is to be learnt from it, in words.")]
    author: Author = ""
    supersedes: Supersedes = ""
