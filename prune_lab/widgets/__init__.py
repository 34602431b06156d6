"""Widgets for JupyterLab, Notebook, VS Code and Colab: one file per widget."""

from prune_lab.widgets.mask_explorer import MaskExplorer

__all__ = ["MaskExplorer"]
