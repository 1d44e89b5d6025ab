"""Compare: methods times seeds on one data set, from a plan to a leaderboard."""
