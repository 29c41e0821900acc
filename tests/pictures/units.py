"""Values → short texts, by Grafana's names of units."""

import math
from collections.abc import Callable, Mapping, Sequence

_THOUSANDS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_BINARY = ((1024.0**3, "GiB"), (1024.0**2, "MiB"), (1024.0, "KiB"))
_TIMES = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def format_value(value: float, unit: str) -> str:
    """Format a value as an axis or a figure shows it."""
    return "no value" if math.isnan(value) else _FORMATS[unit](value)


def _format_number(value: float) -> str:
    return _scale(value, _THOUSANDS, "", "")


def _format_bytes(value: float) -> str:
    return _scale(value, _BINARY, " ", "B")


def _format_seconds(value: float) -> str:
    return f"{_shorten(value * 1000)} ms" if 0 < abs(value) < 1 else _scale(value, _TIMES, " ", "s")


def _scale(value: float, steps: Sequence[tuple[float, str]], space: str, smallest: str) -> str:
    for size, name in steps:
        if abs(value) >= size:
            return f"{_shorten(value / size)}{space}{name}"
    return f"{_shorten(value)}{space}{smallest}".rstrip()


def _shorten(value: float) -> str:
    """Three digits are enough, and no zeros at the end."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{float(f'{value:.3g}'):g}"


_FORMATS: Mapping[str, Callable[[float], str]] = {
    "none": _format_number,
    "s": _format_seconds,
    "bytes": _format_bytes,
    "Bps": lambda value: f"{_format_bytes(value)}/s",
    "percentunit": lambda value: f"{_shorten(value * 100)}%",
    "currencyUSD": lambda value: f"${_shorten(value)}",
    "eps": lambda value: f"{_format_number(value)} ev/s",
    "ops": lambda value: f"{_format_number(value)} ops/s",
    "reqps": lambda value: f"{_format_number(value)} req/s",
}
