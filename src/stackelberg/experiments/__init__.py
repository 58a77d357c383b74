"""Experiments as values, and the runs, sweeps and records that come of them."""
