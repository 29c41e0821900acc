"""Turns a field selector into a test on the value that it reads; the operators of CloudTrail's form, patterns, networks.

An absent field has no text, a list one for each element: a positive operator holds when a text fulfils it, a negative one
when no text fulfils its positive form.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, TypeAlias

from cloudtrail_collector.core.fields import Value, read_text
from cloudtrail_spec.filters import FieldSelector
from cloudtrail_spec.patterns import compile_pattern

Test: TypeAlias = Callable[[Value], bool]
_TextTest: TypeAlias = Callable[[str], bool]


def compile_test(selector: FieldSelector) -> Test:
    """Build the conjunction of a selector's operators."""
    positive, negative = _compile_operators(selector)
    on_text = _join(positive, negative)
    nothing_holds = not positive

    def test(value: Value) -> bool:
        if value.__class__ is str:
            return on_text(value)
        if value.__class__ is list:
            return all(any(map(one, value)) for one in positive) and not any(any(map(one, value)) for one in negative)
        text = read_text(value)
        return nothing_holds if text is None else on_text(text)

    return test


def _compile_operators(selector: FieldSelector) -> tuple[list[_TextTest], list[_TextTest]]:
    operators: Sequence[tuple[Callable[[Any], _TextTest], tuple[str, ...] | None, tuple[str, ...] | None]] = (
        (_equalling, selector.equals, selector.not_equals),
        (_starting, selector.starts_with, selector.not_starts_with),
        (_ending, selector.ends_with, selector.not_ends_with),
        (_matching, selector.matches, selector.not_matches),
        (_lying_in, selector.cidr, selector.not_cidr),
    )
    positive = [build(values) for build, values, _ in operators if values is not None]
    negative = [build(values) for build, _, values in operators if values is not None]
    return positive, negative


def _join(positive: Sequence[_TextTest], negative: Sequence[_TextTest]) -> _TextTest:
    """Build the test on one text. One operator, by far the most frequent, is spelled out: calls cost."""
    if len(positive) == 1 and not negative:
        return positive[0]
    if len(negative) == 1 and not positive:
        only = negative[0]
        return lambda text: not only(text)
    return lambda text: all(one(text) for one in positive) and not any(one(text) for one in negative)


def _equalling(values: tuple[str, ...]) -> _TextTest:
    return frozenset(values).__contains__


def _starting(values: tuple[str, ...]) -> _TextTest:
    return lambda text: text.startswith(values)


def _ending(values: tuple[str, ...]) -> _TextTest:
    return lambda text: text.endswith(values)


def _matching(patterns: tuple[str, ...]) -> _TextTest:
    searches = [compile_pattern(pattern).search for pattern in patterns]

    def test(text: str) -> bool:
        # Half a surrogate pair, which JSON can spell, has no UTF-8: it matches nothing.
        octets = text.encode("utf-8", "surrogatepass")
        return any(search(octets) is not None for search in searches)

    return test


def _lying_in(networks: tuple[str, ...]) -> _TextTest:
    wanted = [ip_network(network) for network in networks]

    @lru_cache(maxsize=4096)
    def test(text: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:
            return False
        return any(_contains(network, address) for network in wanted)

    return test


def _contains(network: IPv4Network | IPv6Network, address: Any) -> bool:
    return address in network
