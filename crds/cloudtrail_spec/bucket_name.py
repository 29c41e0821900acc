"""The name of an S3 bucket, as the parts of the API that hold one take it."""

from typing import Annotated

from pydantic import StringConstraints

from cloudtrail_spec.base import explain_pattern

BucketName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", max_length=63),
    explain_pattern("must be the name of a bucket: 3 to 63 lower-case letters, digits, dots and dashes"),
]
