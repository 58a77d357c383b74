"""One run in one folder: how it starts, survives, and is read back."""
