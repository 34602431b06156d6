"""Pruning and training together: schedules, recipes, records of trials."""
