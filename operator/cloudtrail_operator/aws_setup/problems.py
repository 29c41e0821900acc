"""What makes it impossible to say how AWS must be set up."""


class SetupError(Exception):
    """A source, or what was said beside it, does not suffice; `problems` has a sentence for each mistake."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
