"""What the course needs beyond the package.

:mod:`prune_lab.course.checks` holds one file of checks for each chapter, made with
:mod:`prune_lab.course.judging`; :mod:`prune_lab.course.weights` the networks trained with five
seeds, of which `trained_lenet` gives one.
"""

from prune_lab.course.weights import trained_lenet

__all__ = ["trained_lenet"]
