"""Every test, and every kernel that a test starts, runs as the notebooks were built."""

import os

from tutorial.build import STEADY

os.environ.update(STEADY)
