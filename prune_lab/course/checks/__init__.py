"""The checks of the exercises, one file for each chapter; how they work is in `judging`."""
