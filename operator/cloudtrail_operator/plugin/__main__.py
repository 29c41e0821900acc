"""The program `kubectl-cloudtrail`, which kubectl runs for `kubectl cloudtrail …`."""

import os
import sys
from collections.abc import Callable, Sequence

from cloudtrail_operator.plugin import aws, events, modes, sample, status
from cloudtrail_operator.plugin.arguments import build_parser
from cloudtrail_operator.plugin.errors import InputError, PluginError

INTERRUPTED = 130

_COMMANDS: dict[str, Callable[..., int]] = {
    "status": status.run_status,
    "sample": sample.run_sample,
    "events": events.run_events,
    **dict.fromkeys(modes.COMMANDS, modes.run_mode),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        code = _run(list(arguments))
        sys.stdout.flush()
        return code
    except PluginError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe, such as head, had seen enough; nothing more must be flushed into it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(arguments: list[str]) -> int:
    if arguments and arguments[0] in aws.COMMANDS:
        return aws.run_aws_command(arguments[0], arguments[1:])
    options = build_parser().parse_args(arguments)
    if options.command == "status" and options.name and (options.all_namespaces or options.selector):
        raise InputError("a name goes with neither -A nor -l")
    return _COMMANDS[options.command](options)


if __name__ == "__main__":
    sys.exit(main())
