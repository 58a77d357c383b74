"""Markov games: backward induction for myopic followers, gradient ascent for farsighted ones."""
