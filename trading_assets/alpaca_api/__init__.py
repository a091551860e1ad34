"""Alpaca's HTTP interface through alpaca-py: what broker and market data share."""
