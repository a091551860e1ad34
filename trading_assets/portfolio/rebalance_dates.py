"""Which sessions a portfolio trades on."""

from __future__ import annotations

import datetime as dt

from trading_assets.model.policies import RebalanceFrequency


def is_rebalance(frequency: RebalanceFrequency, session: dt.date, previous: dt.date | None) -> bool:
    """True where `session` is the first one of its week (Monday to Sunday) or month, as
    `frequency` asks; always for the first session of all (`previous` None).

    `previous` is the portfolio's session before it, so a holiday on the first of a month moves the
    rebalance to the next session.
    """
    if previous is None or frequency is RebalanceFrequency.EVERY_SESSION:
        return True
    if frequency is RebalanceFrequency.MONTHLY:
        return (session.year, session.month) != (previous.year, previous.month)
    return session.isocalendar()[:2] != previous.isocalendar()[:2]
