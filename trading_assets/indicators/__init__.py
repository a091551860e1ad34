"""Indicators of technical analysis, computed by TA-Lib: whole series, or bar by bar. Pure."""
