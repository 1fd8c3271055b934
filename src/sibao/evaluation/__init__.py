"""Floor 5: suites, asking models, judging, statistics, scorecards, the leaderboard."""
