"""Model-based reinforcement learning as a game between a policy and a world model."""
