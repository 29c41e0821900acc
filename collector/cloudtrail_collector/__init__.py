"""Reads the CloudTrail log files that an SQS queue announces, and delivers their event records to sinks."""

from importlib.metadata import version

__version__ = version("cloudtrail-collector")
