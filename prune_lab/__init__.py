"""PruneLab: see, understand and do neural-network pruning.

The rooms: :mod:`prune_lab.prune` is the engine (it needs torch alone); :mod:`~prune_lab.lenet`,
:mod:`~prune_lab.data` and :mod:`~prune_lab.training` make a network worth pruning;
:mod:`~prune_lab.inspection` and :mod:`~prune_lab.plots` look inside;
:mod:`prune_lab.widgets` holds the sliders.
"""

__version__ = "0.1.0"
