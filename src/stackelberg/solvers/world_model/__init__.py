"""Exact answers where a policy or a world model commits."""
