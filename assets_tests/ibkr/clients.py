"""The library's own client on the stand-in, whichever of ib_async and ib_insync is installed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from assets_tests.ibkr.server import GatewayStandIn
from trading_assets.brokers.ibkr_library import library

WAIT_SECONDS = 5.0


def with_client(
    gateway: GatewayStandIn,
    act: Callable[[Any], Awaitable[Any]],
    client_id: int = 7,
    timeout_seconds: float = WAIT_SECONDS,
) -> Any:
    """Logs in with the library's defaults, does something, logs out."""

    async def run() -> Any:
        ib = library().IB()
        ib.RaiseRequestErrors = True
        await ib.connectAsync(
            "127.0.0.1", gateway.port, clientId=client_id, timeout=timeout_seconds
        )
        try:
            return await act(ib)
        finally:
            ib.disconnect()
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)

    return asyncio.run(run())


async def until(condition: Callable[[], Any]) -> Any:
    """Waits until a condition holds, and gives what it says."""
    for _ in range(int(WAIT_SECONDS / 0.005)):
        found = condition()
        if found:
            return found
        await asyncio.sleep(0.005)
    raise AssertionError("it did not happen")
