"""What importing levelhead adds to importing torch, and how fast the command answers.

Best of 5 fresh processes each, in turn. Wanted: at most 0.3 s beyond torch for objective, losses and metrics; the help
in under 1 s. Usage: python bench/import_time.py
"""

import subprocess
import sys

from _common import interleaved, write

OURS = "import torch, levelhead; levelhead.objective; levelhead.losses; levelhead.metrics"


def call(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    seconds = interleaved(
        {
            "torch": lambda: call("-c", "import torch"),
            "levelhead": lambda: call("-c", OURS),
            "help": lambda: call("-m", "levelhead", "--help"),
        },
        5,
    )
    best = {name: round(min(each), 3) for name, each in seconds.items()}
    added = round(best["levelhead"] - best["torch"], 3)
    rows = {
        "added_to_torch_seconds": {"value": added, "limit": 0.3, "met": added <= 0.3},
        "help_seconds": {"value": best["help"], "limit": 1.0, "met": best["help"] < 1.0},
    }
    print(rows)
    write("import_time", {"repetitions": 5, "best_seconds": best, "rows": rows})


if __name__ == "__main__":
    main()
