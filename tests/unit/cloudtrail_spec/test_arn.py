import pytest
from botocore.loaders import Loader

from cloudtrail_spec.arn import DNS_SUFFIXES, Arn, build_queue_url


@pytest.mark.parametrize(
    ("arn", "url"),
    [
        ("arn:aws:sqs:us-east-1:111122223333:q", "https://sqs.us-east-1.amazonaws.com/111122223333/q"),
        ("arn:aws-us-gov:sqs:us-gov-west-1:111122223333:q", "https://sqs.us-gov-west-1.amazonaws.com/111122223333/q"),
        ("arn:aws-cn:sqs:cn-north-1:111122223333:q", "https://sqs.cn-north-1.amazonaws.com.cn/111122223333/q"),
        ("arn:aws-iso:sqs:us-iso-east-1:111122223333:q", "https://sqs.us-iso-east-1.c2s.ic.gov/111122223333/q"),
    ],
)
def test_t42_queue_url_follows_from_the_arn_in_every_partition(arn: str, url: str) -> None:
    assert build_queue_url(arn) == url


def test_partitions_and_suffixes_are_those_of_the_sdk() -> None:
    """botocore carries AWS's own table; ours must say the same for every partition that botocore knows."""
    partitions = Loader().load_data("partitions")["partitions"]
    theirs = {partition["id"]: partition["outputs"]["dnsSuffix"] for partition in partitions}
    assert theirs == DNS_SUFFIXES


@pytest.mark.parametrize("text", ["", "arn:aws:sqs", "urn:aws:sqs:us-east-1:1:q"])
def test_other_text_is_no_arn(text: str) -> None:
    with pytest.raises(ValueError, match="not an ARN"):
        Arn.parse(text)
