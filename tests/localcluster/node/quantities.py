"""Kubernetes quantities (`100m`, `256Mi`) as numbers, for resourceFieldRef."""

from decimal import ROUND_CEILING, Decimal

_SUFFIXES = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1),
    "k": Decimal(10) ** 3, "M": Decimal(10) ** 6, "G": Decimal(10) ** 9, "T": Decimal(10) ** 12, "P": Decimal(10) ** 15,
    "Ki": Decimal(1024), "Mi": Decimal(1024) ** 2, "Gi": Decimal(1024) ** 3, "Ti": Decimal(1024) ** 4,
}  # fmt: skip


def parse_quantity(text: str) -> Decimal:
    """Return the number that a quantity stands for."""
    digits = text.rstrip("numkMGTPi")
    return Decimal(digits) * _SUFFIXES[text[len(digits) :]]


def divide_quantity(text: str, divisor: str) -> str:
    """Return the quantity in units of the divisor (`0` means 1), rounded up as the kubelet does."""
    unit = parse_quantity(divisor) or Decimal(1)
    return str((parse_quantity(text) / unit).to_integral_value(ROUND_CEILING))
