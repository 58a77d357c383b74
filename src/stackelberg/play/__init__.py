"""Worlds and the agents that meet them: what is played again and again, and who learns from it."""
