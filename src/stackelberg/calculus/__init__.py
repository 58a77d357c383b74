"""Mathematics that knows nothing of games."""
