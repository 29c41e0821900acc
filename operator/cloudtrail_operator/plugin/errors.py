"""Why a command of the plugin cannot go on, in words for the person who typed it, and the exit code that says so."""

FAILED = 1
"""The cluster refused, could not be reached, or what was waited for did not happen."""
BAD_INPUT = 2
"""Arguments are wrong, or name what does not exist."""


class PluginError(Exception):
    """A command cannot go on."""

    exit_code = FAILED


class RefusedError(PluginError):
    """The user lacks a permission."""


class MissingError(PluginError):
    """The cluster has no such resource."""

    exit_code = BAD_INPUT


class InputError(PluginError):
    """The arguments do not fit together."""

    exit_code = BAD_INPUT


class ChangedError(PluginError):
    """A resource is not any more what a guarded change was made for."""
