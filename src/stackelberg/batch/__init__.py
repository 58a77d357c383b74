"""Policies from a log: a leader that is paid the least value which the log does not contradict."""
