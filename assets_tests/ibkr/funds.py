"""Funds that the tests trade: two in dollars, one in pence, all listed in London."""

from __future__ import annotations

from assets_tests.ibkr.listings import Listing

SXLK = Listing(
    173_418_084, "SXLK", "USD", "LSEETF", "IE00BWBXM948", "SPDR S&P US TECHNOLOGY SELECT"
)
SXLE = Listing(173_418_001, "SXLE", "USD", "LSEETF", "IE00BWBXM492", "SPDR S&P US ENERGY SELECT")
ISF = Listing(
    45_679_230,
    *("ISF", "GBP", "LSEETF", "IE0005042456", "ISHARES CORE FTSE 100"),
    price_magnifier=100,
    min_tick="0.1",
)
