"""Widgets for JupyterLab, Notebook, VS Code and Colab: one file per widget."""

from prune_lab.widgets.budget_explorer import BudgetExplorer
from prune_lab.widgets.digit_pad import DigitPad
from prune_lab.widgets.mask_explorer import MaskExplorer
from prune_lab.widgets.module_inspector import ModuleInspector
from prune_lab.widgets.sensitivity_explorer import SensitivityExplorer
from prune_lab.widgets.static_page import save_page
from prune_lab.widgets.ticket_explorer import TicketExplorer

__all__ = [
    "BudgetExplorer",
    "DigitPad",
    "MaskExplorer",
    "ModuleInspector",
    "SensitivityExplorer",
    "TicketExplorer",
    "save_page",
]
