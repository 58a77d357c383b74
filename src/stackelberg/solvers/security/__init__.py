"""Security games: strong and weak equilibria, and the best coverage against attackers that err."""
