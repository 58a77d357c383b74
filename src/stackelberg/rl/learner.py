"""What learners from simulated episodes have in common."""

from __future__ import annotations

from .._learner import AbstractLearner, Precision, Resume


class AbstractEpisodeLearner(AbstractLearner):
    """A learner whose data are episodes of an environment that is a pure function."""

    @property
    def precision(self) -> Precision:
        """Samples are noisy; float32 is enough."""
        return "float32"

    @property
    def on_host(self) -> bool:
        """Environments run on the device."""
        return False

    @property
    def resume(self) -> Resume:
        """Nothing outside of the state remembers."""
        return "exact"

    @property
    def max_steps(self) -> int | None:
        """No limit."""
        return None
