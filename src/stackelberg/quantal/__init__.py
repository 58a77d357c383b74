"""Learning the quantal Stackelberg equilibrium from what the follower does (Chen, Wang and Yang, 2023)."""
