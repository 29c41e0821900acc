"""Turns mask rules into a `Masker`, which hides values in event records before anything else sees them.

What each preset hides, and what it does not, is said in the description of `MaskRule.preset`
(`kubectl explain cloudtrailsource.spec.mask`). AccessKeyIds, AssumedRoleIds and SessionTokens cost little and are what
most sources want.

There are two ways to the same result. The quick way works on the text of a record as AWS wrote it, and reads no JSON. It
gives up whenever it cannot be certain: `\\u` and `\\/` escapes, strings in strings that are escaped more than once, values
of unusual shape. Then the exact way takes the record apart, resolves escapes, and opens JSON inside of strings, to any
depth that occurs. Both change nothing but the hidden values, and look at nothing but the one record.
"""

from cloudtrail_collector.core.masking.masker import MaskedText, Masker, MaskResult, compile_masks
from cloudtrail_collector.core.masking.replacement import refuse_keys

__all__ = ["MaskResult", "MaskedText", "Masker", "compile_masks", "refuse_keys"]
