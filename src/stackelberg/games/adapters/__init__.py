"""Environments of other libraries as ours, and ours as theirs; they run on the host, step by step in Python."""
