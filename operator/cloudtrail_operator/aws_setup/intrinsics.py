"""References and documents → CloudFormation's own: `!Ref`, `!GetAtt`, `!Sub`, in YAML."""

from typing import Any

import yaml

from cloudtrail_operator.aws_setup.references import find_whole, has_references, replace

# What each reference is called in the templates that `cloudformation` builds.
_NAMES = {
    "partition": "AWS::Partition",
    "account": "AWS::AccountId",
    "region": "AWS::Region",
    "dns_suffix": "AWS::URLSuffix",
    "bucket": "BucketName",
    "queue": "QueueName",
    "trail": "TrailName",
    "role": "RoleName",
    "visibility": "VisibilityTimeoutSeconds",
    "max_receives": "MaxReceiveCount",
    "queue_arn": "Queue.Arn",
    "dead_letter_arn": "DeadLetterQueue.Arn",
    "topic_arn": "Topic",
    "key_arn": "Key.Arn",
    "role_arn": "CollectorRole.Arn",
}


class Ref(str):
    """`!Ref`: a parameter, or the name of a resource."""

    __slots__ = ()


class GetAtt(str):
    """`!GetAtt`: an attribute of a resource."""

    __slots__ = ()


class Sub(str):
    """`!Sub`: a text with `${…}` in it."""

    __slots__ = ()


def with_intrinsics(value: Any) -> Any:
    """Replace the references in a value, however deep they are."""
    if isinstance(value, dict):
        return {name: with_intrinsics(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [with_intrinsics(item) for item in value]
    if isinstance(value, str) and has_references(value):
        return _replace(value)
    return value


def _replace(text: str) -> str:
    whole = find_whole(text)
    if whole is None:
        return Sub(replace(text, lambda name: f"${{{_NAMES[name]}}}", lambda literal: literal.replace("${", "${!")))
    name = _NAMES[whole]
    return GetAtt(name) if "." in name else Ref(name)


class _Dumper(yaml.SafeDumper):
    """Indents lists below their key, and repeats instead of pointing back."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002  (PyYAML's)
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _represent(tag: str) -> Any:
    return lambda dumper, value: dumper.represent_scalar(tag, str(value))


for _kind in (Ref, GetAtt, Sub):
    _Dumper.add_representer(_kind, _represent(f"!{_kind.__name__}"))


def to_yaml(template: Any) -> str:
    """Render a template, in the order in which it was built."""
    return yaml.dump(template, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
