"""Pure: a CloudTrailBackfill becomes its Job, and what its workers noted becomes its status."""
