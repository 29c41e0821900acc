"""The API of the cloudtrail-operator: CloudTrailSource as Python types, and the CRD generated from them."""
