"""Risk: how large a position may be, what an order is refused for, when trading stops. Pure."""
