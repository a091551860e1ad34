"""The kinds of value that the records of the book hold, each with the rule it keeps when stored.

A field of an event is declared as one of these with a description; its JSON Schema is made from
both (`scripts/make_schemas.py`). Rules on the text of a decimal or a code stand in the schema
alone: every event passes it on its way into the book and out of it, so nothing checks them twice.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated

from msgspec import Meta

_DIGITS = r"(0|[1-9][0-9]*)(\.[0-9]+)?"


_ABOVE_ZERO = r"([1-9][0-9]*(\.[0-9]+)?|0\.0*[1-9][0-9]*)"

POSITIVE = {"title": "decimal above 0", "pattern": f"^{_ABOVE_ZERO}$"}
NEGATIVE = {"title": "decimal below 0", "pattern": f"^-{_ABOVE_ZERO}$"}


def text_rule(title: str, pattern: str) -> Meta:
    """A rule on stored text; `title` is what the pattern means, to those who break it."""
    return Meta(title=title, extra_json_schema={"pattern": pattern})


Signed = Annotated[Decimal, text_rule("decimal, digits written out", rf"^-?{_DIGITS}$")]
"""A finite decimal of either sign, every digit written out."""
NotNegative = Annotated[Decimal, text_rule("decimal not below 0", rf"^({_DIGITS}|-0(\.0+)?)$")]
"""A decimal >= 0; the zero may carry a sign."""
Positive = Annotated[Decimal, text_rule(**POSITIVE)]
"""A decimal > 0."""
Fraction = Annotated[Decimal, text_rule("decimal from 0 to 1", r"^(0(\.[0-9]+)?|1(\.0+)?)$")]
"""A decimal in 0 to 1."""
PlanDecimal = Annotated[Decimal, text_rule("decimal", rf"^-?{_DIGITS}(E[+-]?[0-9]+)?$")]
"""A finite decimal of a plan. It is written out too, but books that are older than the schemas hold
plans with exponents (0E-10), which stay readable."""

Name = Annotated[str, Meta(min_length=1)]
"""A name or identifier, never empty."""
Currency = Annotated[str, text_rule("currency code of three capitals", "^[A-Z]{3}$")]
"""A currency's ISO 4217 code."""
Moment = Annotated[dt.datetime, Meta(tz=True), text_rule("moment in UTC, ending in Z", "Z$")]
"""A moment in UTC."""
StoredMoment = Annotated[dt.datetime, Meta(tz=True), text_rule("moment in UTC", r"(Z|\+00:00)$")]
"""A moment in UTC as the book's own columns spell it."""

Symbol = Annotated[Name, Meta(description="Symbol of the instrument.")]
OptionalSymbol = Annotated[
    str, Meta(description="Symbol of the instrument it is for; empty where it is for none.")
]
ClientOrderId = Annotated[Name, Meta(description="The order, by the id it was sent under.")]
AmountCurrency = Annotated[Currency, Meta(description="Currency of the amounts, by ISO 4217.")]
Reference = Annotated[
    str, Meta(description="What the bank, broker or person calls it; empty where nothing is given.")
]
ExDate = Annotated[
    dt.date, Meta(description="First session at whose open the shares trade without the right.")
]
EffectiveDate = Annotated[dt.date, Meta(description="The session from whose open on it holds.")]
NewShares = Annotated[int, Meta(ge=1, description="Shares given for every `old_shares` held.")]
OldShares = Annotated[int, Meta(ge=1, description="Shares held for which `new_shares` are given.")]
CashInLieuPrice = Annotated[
    NotNegative | None,
    Meta(
        description="Price per new share at which the fraction of a share is paid out in cash; "
        "null where fractions are kept."
    ),
]
