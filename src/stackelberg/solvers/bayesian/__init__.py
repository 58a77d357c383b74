"""Bayesian games: one commitment against followers of unknown type."""
