"""Reconciliation: what was wanted, what was done, what is held, and a cause for every difference.

Problem: after a close four things should agree and rarely do exactly: target, plan, book, broker.
A tolerance would hide small losses; a list of differences would leave the explaining to a person.

Choice: each comparison ("view") is taken apart into named causes with exact amounts. A cause is
only booked from a recorded fact (a cut of the plan, the end of an order, a fill, a mark), and
what then remains is computed, not assumed: it is UNEXPLAINED, and must be nothing.

| view | difference | unit |
|---|---|---|
| planned_vs_filled | planned orders before any cut - fills | signed shares, money at plan price |
| target_vs_final | target weight - weight at the close | fraction of equity |
| book_vs_broker | book - broker's statement | signed shares; money for CASH |
| final_vs_account | book - broker's statement alone | fraction of equity |
| average_cost | cost of the book's lots - average cost at the broker | money |
| book_continuity | closing book - (opening book + fills of the plan) | signed shares, money |

In every view the parts of a symbol add up to its difference exactly.
"""

from trading_assets.reconciliation.report import reconcile, unexplained_gaps
from trading_assets.reconciliation.statement import compare_statement
from trading_assets.reconciliation.summary import summary_text

__all__ = ["compare_statement", "reconcile", "summary_text", "unexplained_gaps"]
