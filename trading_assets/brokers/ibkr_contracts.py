"""Instruments between the portfolio's symbols and Interactive Brokers' contracts.

A symbol that ends in `.L` is looked for among the exchange-traded funds of the London Stock
Exchange, any other one by SMART routing in the portfolio's currency, unless the portfolio says
otherwise. A contract is only used once the broker has described it: exactly one, in the currency
and with the ISIN that were expected.

Lines quoted in pence have currency GBP and price magnifier 100. What is documented and not verified
against a live account stands here alone: quotes, bars, order prices and execution prices are in
pence then, average costs and market values in pounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from trading_assets.brokers.ibkr_connection import GatewayConnection, Refusal, Reply
from trading_assets.brokers.ibkr_library import library
from trading_assets.model.account import Known, Unknown
from trading_assets.model.money import rounded_price

LONDON_SUFFIX = ".L"
LONDON_EXCHANGES = ("LSEETF", "LSE")
NO_CONTRACT = 200
AMBIGUOUS, OTHER_CURRENCY, OTHER_ISIN = -1, -2, -3
"""Codes of our own for a contract that exists and is not the one that was meant."""
_SENTINEL = 1e300


class ContractTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Which contract is meant; `isin` is checked where it is given."""

    symbol: str
    currency: str
    exchange: str = "SMART"
    primary_exchange: str = ""
    isin: str = ""


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """A contract as the broker describes it, under the portfolio's symbol.

    `price_magnifier` is 100 where it is quoted in pence, else 1; `price_step` is the finest step of
    a price, in money.
    """

    symbol: str
    con_id: int
    broker_symbol: str
    currency: str
    primary_exchange: str
    price_magnifier: int
    price_step: Decimal
    isin: str
    name: str

    def money(self, quoted: Decimal) -> Decimal:
        """A quoted price in money per share."""
        return rounded_price(quoted / self.price_magnifier)

    def quoted(self, price: Decimal) -> Decimal:
        """A price in money per share as it is quoted and ordered."""
        return price * self.price_magnifier

    def contract(self) -> Any:
        """The library's contract, for orders and data by SMART routing."""
        return library().Contract(
            secType="STK",
            conId=self.con_id,
            symbol=self.broker_symbol,
            exchange="SMART",
            currency=self.currency,
        )


def exact(number: float) -> Decimal | None:
    """A number of the library as it was on the wire; None for its ways of saying nothing."""
    if number != number or abs(number) > _SENTINEL:
        return None
    found = Decimal(repr(float(number)))
    whole = found.to_integral_value()
    return whole if found == whole else found


def contract_terms(symbol: str, currency: str) -> ContractTerms:
    """What is meant by a symbol of which the portfolio says nothing else."""
    if symbol.endswith(LONDON_SUFFIX):
        name = symbol.removesuffix(LONDON_SUFFIX)
        return ContractTerms(symbol=name, currency=currency, primary_exchange=LONDON_EXCHANGES[0])
    return ContractTerms(symbol=symbol, currency=currency)


class Contracts:
    """Instruments as the broker describes them, each asked for once.

    `currency` is the portfolio's; `given` what its file says of some symbols.
    """

    def __init__(
        self,
        connection: GatewayConnection,
        currency: str,
        given: Mapping[str, ContractTerms] | None = None,
    ) -> None:
        self._connection = connection
        self._currency = currency
        self._given = dict(given or {})
        self._by_symbol: dict[str, Instrument] = {}
        self._by_con_id: dict[int, Instrument] = {}

    def of_symbol(self, symbol: str) -> Reply[Instrument]:
        """The instrument of a symbol; Refusal where there is none, or not the one meant."""
        if symbol in self._by_symbol:
            return Known(self._by_symbol[symbol])
        terms = self._given.get(symbol) or contract_terms(symbol, self._currency)
        asked = {
            "secType": "STK",
            "symbol": terms.symbol,
            "exchange": terms.exchange,
            "primaryExchange": terms.primary_exchange,
            "currency": terms.currency,
        }
        reply = self._described(symbol, asked)
        if not isinstance(reply, Known):
            return reply
        mistake = _mistake(symbol, terms, reply.value)
        if mistake is not None:
            return mistake
        return Known(self._keep(symbol, reply.value[0]))

    def of_con_id(self, con_id: int, broker_symbol: str) -> Reply[Instrument]:
        """The instrument that the broker named by its contract id, whoever traded it."""
        if con_id in self._by_con_id:
            return Known(self._by_con_id[con_id])
        reply = self._described(broker_symbol, {"conId": con_id})
        if not isinstance(reply, Known):
            return reply
        if len(reply.value) != 1:
            return Unknown(f"contract {con_id} is described {len(reply.value)} times")
        return Known(self._keep(self._symbol_of(reply.value[0]), reply.value[0]))

    def _described(self, what: str, asked: dict[str, Any]) -> Reply[list[Any]]:
        async def describe(ib: Any) -> list[Any]:
            return list(await ib.reqContractDetailsAsync(library().Contract(**asked)))

        return self._connection.ask(f"contract {what}", describe)

    def _symbol_of(self, details: Any) -> str:
        """The portfolio's symbol for a contract, or the one that it would have."""
        contract = details.contract
        for symbol, terms in self._given.items():
            if (terms.symbol, terms.currency) == (contract.symbol, contract.currency):
                return symbol
        suffix = LONDON_SUFFIX if contract.primaryExchange in LONDON_EXCHANGES else ""
        return f"{contract.symbol}{suffix}"

    def _keep(self, symbol: str, details: Any) -> Instrument:
        contract, magnifier = details.contract, max(int(details.priceMagnifier), 1)
        step = exact(details.minTick) or Decimal(0)
        found = Instrument(
            symbol=symbol,
            con_id=contract.conId,
            broker_symbol=contract.symbol,
            currency=contract.currency,
            primary_exchange=contract.primaryExchange,
            price_magnifier=magnifier,
            price_step=step / magnifier,
            isin=_isin(details),
            name=details.longName,
        )
        self._by_symbol[symbol] = self._by_con_id[found.con_id] = found
        return found


def _isin(details: Any) -> str:
    return next((each.value for each in details.secIdList or [] if each.tag == "ISIN"), "")


def _mistake(symbol: str, terms: ContractTerms, found: list[Any]) -> Refusal | None:
    """Why what was found for a symbol is not what was meant; None where it is."""
    if not found:
        return Refusal(NO_CONTRACT, f"{symbol}: there is no contract {terms.symbol}")
    if len(found) > 1:
        exchanges = ", ".join(sorted(each.contract.primaryExchange for each in found))
        return Refusal(
            AMBIGUOUS,
            f"{symbol}: {len(found)} contracts are called {terms.symbol} ({exchanges}). Give its "
            "`primary_exchange` under `broker.contracts`.",
        )
    currency, isin = found[0].contract.currency, _isin(found[0])
    if currency != terms.currency:
        return Refusal(
            OTHER_CURRENCY,
            f"{symbol}: the contract trades in {currency}, not in {terms.currency}. Choose the "
            "line in the portfolio's currency.",
        )
    if terms.isin and isin != terms.isin:
        return Refusal(
            OTHER_ISIN,
            f"{symbol}: the contract's ISIN is {isin or 'not stated'}, not {terms.isin}. Correct "
            "`isin` or the contract under `broker.contracts`.",
        )
    return None
