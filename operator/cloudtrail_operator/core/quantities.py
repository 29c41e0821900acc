"""Kubernetes quantities (500m, 0.5, 1Gi): the API server rewrites them, so they are compared by value."""

from decimal import Decimal

_FACTORS = {
    "m": Decimal("0.001"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
}


def parse_quantity(text: str) -> Decimal:
    """Turn a quantity of the form that the CRD admits into a number. Raises ArithmeticError for anything else."""
    suffix = next((suffix for suffix in sorted(_FACTORS, key=len, reverse=True) if text.endswith(suffix)), "")
    return Decimal(text.removesuffix(suffix)) * _FACTORS.get(suffix, Decimal(1))


def equal_quantities(left: str, right: str) -> bool:
    """Say whether two quantities mean the same amount."""
    try:
        return parse_quantity(left) == parse_quantity(right)
    except ArithmeticError:
        return False
