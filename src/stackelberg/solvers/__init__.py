"""Known games in, certified solutions out."""
