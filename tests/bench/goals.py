"""What the collector has to reach, as ratios to the baselines of the same run: absolute figures depend on the machine."""

from dataclasses import dataclass

from bench.tables import Table


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure, the bound, and what was measured; `at_most` turns the comparison round."""

    text: str
    bound: float
    measured: float
    unit: str = ""
    at_most: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the bound is kept."""
        return self.measured <= self.bound if self.at_most else self.measured >= self.bound


def build_goal_table(goals: list[Goal]) -> Table:
    """Turn goals into a table."""
    rows = tuple(
        (
            goal.text,
            f"{'≤' if goal.at_most else '≥'} {goal.bound:.4g}{goal.unit}",
            f"{goal.measured:.3g}{goal.unit}",
            "met" if goal.is_met else "MISSED",
        )
        for goal in goals
    )
    return Table("goals", "Goals", ("goal", "bound", "measured", ""), rows)
