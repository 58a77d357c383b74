"""Games from practice: what the leader and the follower are in one field, with a generator of instances."""
