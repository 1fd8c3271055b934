"""Floor 5: running tasks over rows, statistics, scorecards."""
