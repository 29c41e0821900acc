"""What sinks that speak HTTP share: where, with whose credentials, and whom they trust."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from cloudtrail_spec.base import ApiModel, CelRule, explain_pattern
from cloudtrail_spec.secrets import SecretValue

# Scheme, host or address, port, path and query in ASCII; no user and password.
SINK_URL_PATTERN = (
    r"^https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)"
    r"(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
    r"([/?][\x21\x22\x24-\x7e]*)?$"
)
SinkUrl = Annotated[
    str,
    StringConstraints(pattern=SINK_URL_PATTERN, max_length=2048),
    explain_pattern("must be http:// or https:// and a host, maybe a port and a path; no user, no password, no #"),
]
# What the sink or HTTP itself sets.
OWN_HEADERS = (
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "transfer-encoding",
)
UserName = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^:\x00-\x1f]+$")]


class ClientTls(ApiModel):
    """TLS of a sink: whom to trust, and the certificate to show."""

    ca: SecretValue | None = Field(
        None, description="PEM certificates of the authorities to trust. Absent: those that the image trusts."
    )
    certificate: SecretValue | None = Field(None, description="PEM certificate (chain) to show to the server (mTLS).")
    private_key: SecretValue | None = Field(
        None, description="PEM private key of the certificate, without a passphrase."
    )

    cel_rules: ClassVar = (
        CelRule("has(self.certificate) == has(self.privateKey)", "certificate and privateKey need each other"),
    )

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError(self.cel_rules[0].message)
        return self


class BasicAuth(ApiModel):
    """User name and password."""

    username: UserName = Field(description="The user name.")
    password: SecretValue = Field(description="The password.")


class HttpAuth(ApiModel):
    """What is sent in the header Authorization."""

    bearer: SecretValue | None = Field(None, description="A token: `Authorization: Bearer …`.")
    basic: BasicAuth | None = Field(None, description="User name and password: `Authorization: Basic …`.")

    cel_rules: ClassVar = (CelRule("has(self.bearer) != has(self.basic)", "auth needs exactly one of bearer, basic"),)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.bearer is None) == (self.basic is None):
            raise ValueError(self.cel_rules[0].message)
        return self


class HttpHeader(ApiModel):
    """A header that is sent with every request."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", max_length=128)] = Field(
        description="Name of the header; not one that the sink or HTTP itself sets, such as Content-Type or Authorization.",
    )
    value: Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]*$", max_length=2048)] | None = Field(
        None, description="Its value."
    )
    secret_value: SecretValue | None = Field(None, description="Its value, where it is a secret.")

    cel_rules: ClassVar = (
        CelRule("has(self.value) != has(self.secretValue)", "a header needs exactly one of value, secretValue"),
        CelRule(
            f"!(self.name.lowerAscii() in {list(OWN_HEADERS)})",
            f"the sink itself sets {', '.join(OWN_HEADERS)}",
            ".name",
        ),
    )

    @model_validator(mode="after")
    def _one_value(self) -> Self:
        if (self.value is None) == (self.secret_value is None):
            raise ValueError(self.cel_rules[0].message)
        if self.name.lower() in OWN_HEADERS:
            raise ValueError(self.cel_rules[1].message)
        return self


Headers = Annotated[tuple[HttpHeader, ...], Field(max_length=16)]
