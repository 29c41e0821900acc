"""What AWS answered about the set-up of a source → what is right, what is wrong, and the line that mends it.

The command `doctor` and a running collector ask the same adapter, and both get their words here.
"""
