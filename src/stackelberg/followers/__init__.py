"""Oracles: anything that answers a commitment."""
