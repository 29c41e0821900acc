"""A source's spec → what must exist in AWS before it works: policies, trust, a CloudFormation template, a Terraform module.

Pure, and without an AWS client: nothing here asks AWS for anything.
"""
