"""A guess is a panel: its tests, too, begin as a fresh kernel does."""

from tests.widgets.conftest import fresh_kernel

__all__ = ["fresh_kernel"]
