"""The commands of the command line that end by themselves: `events` and `check`."""
