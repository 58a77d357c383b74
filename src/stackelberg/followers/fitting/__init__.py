"""Followers from what they did: likelihoods, intervals, model comparison."""
