"""One question that was asked: its guess, its truth, and the panels that show them."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from prune_lab.course.guesses.keeping import GuessFile
from prune_lab.course.guesses.questions import Finding, Question
from prune_lab.widgets.dialogue import one_at_a_time

if TYPE_CHECKING:
    from prune_lab.course.guesses.panels import GuessPanel


class Asked:
    """What all panels of one question share.

    JupyterLab may hand over what the browser sends in a thread of its own, beside the cells. So a
    guess that was made just before the next cell can come while that cell runs; the panel that
    reveals shows it when it comes.
    """

    def __init__(
        self, name: str, question: Question, file: GuessFile, panel: type[GuessPanel]
    ) -> None:
        self.name, self.question, self.panel = name, question, panel
        self._file = file
        self.guess, self.problem = file.read()
        self.truth: Any = None
        self.panels: weakref.WeakSet[GuessPanel] = weakref.WeakSet()

    def keep(self, guess: Any) -> None:
        """Take a guess that fits the question, or None for none, and write it down."""
        with one_at_a_time:
            if guess == self.guess:
                return
            self.guess = guess
            self.problem = self._file.write(guess)
            for panel in list(self.panels):
                panel.refresh()

    def reveal(self, truth: object) -> None:
        """Take the truth; a GuessError says where it does not fit the question."""
        self.truth = self.question.read_truth(truth)

    @property
    def finding(self) -> Finding:
        """What guess and truth say, as far as there are any."""
        return self.question.find(self.guess, self.truth)
