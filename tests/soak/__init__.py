"""Collectors under random faults for a long time: nothing may be lost, and nothing deleted before it is delivered."""
