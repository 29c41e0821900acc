"""Commands for people, beside `run`. The operator's serving path loads none of them."""
