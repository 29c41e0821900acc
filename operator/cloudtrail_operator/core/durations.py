"""Seconds as people read them."""


def format_duration(seconds: int) -> str:
    """Render seconds for people: 45s, 4m10s, 2h5m, 3d4h. Two units say enough."""
    units = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
    seconds = max(0, seconds)
    first = next((index for index, (_, size) in enumerate(units) if seconds >= size), len(units) - 1)
    amounts = []
    for unit, size in units[first : first + 2]:
        amount, seconds = divmod(seconds, size)
        amounts.append((amount, unit))
    return "".join(f"{amount}{unit}" for amount, unit in amounts if amount or (unit == "s" and len(amounts) == 1))
