"""What learners whose every step can be compiled have in common."""

from __future__ import annotations

from .._learner import AbstractLearner, Precision, Resume


class AbstractCompiledLearner(AbstractLearner):
    """A learner all of whose steps are pure functions of its state, on the device."""

    @property
    def on_host(self) -> bool:
        """Everything can be traced."""
        return False

    @property
    def resume(self) -> Resume:
        """Nothing outside of the state remembers."""
        return "exact"

    @property
    def max_steps(self) -> int | None:
        """No limit."""
        return None


class AbstractEpisodeLearner(AbstractCompiledLearner):
    """One whose data are episodes of an environment that is a pure function."""

    @property
    def precision(self) -> Precision:
        """Samples are noisy; float32 is enough."""
        return "float32"
