"""The price model: what every simulated symbol traded, at any instant, as a pure function of (seed, symbol, instant).

Top-down. A trading day's open, high, low, close, volume and number of trades come from a hash of (seed, symbol, day);
hours are cut from the day, quarter hours from hours, minutes from quarter hours, trades from minutes, each level
exactly consistent with the one above. Prices are integers of ticks and volumes integers of a small unit.
"""
