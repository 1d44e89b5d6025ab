"""What a comparison found, for people: one page (`build`) and the terminal (`leaderboard`, `print_summary`).

The only place that rounds. plotly, jinja2 and rich are imported when something is made, not before.
"""

from levelhead.report.page import build
from levelhead.report.terminal import leaderboard, print_summary

__all__ = ["build", "leaderboard", "print_summary"]
