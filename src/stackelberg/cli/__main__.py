"""`python -m stackelberg.cli`: the same as the command `stackelberg`."""

from .app import main


main()
