"""Single-player parts, once a player's problem is fixed: policies, rollouts, objectives."""
