"""Turns digest files and log files into proof that nothing was altered, or into findings; `commands/verify` does the I/O."""
