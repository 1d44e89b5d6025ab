"""CamVid under vanilla, focal loss and MbLS, kept as one small file: what a comparison's folder says, seed by seed.

The folder comes from ``levelhead compare --data camvid`` (its command is kept with the result); COMMIT is the one whose
code trained. Usage: python bench/camvid.py FOLDER COMMIT
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from _common import RESULTS

#: Of the sample of pixels, and of all of them.
MEASURES = ("nll", "ece", "gap", "miou", "pixel_accuracy", "pixel_nll", "pixel_ece", "batch_ece")


def main() -> None:
    folder, commit = Path(sys.argv[1]), sys.argv[2]
    about, summary, entries = (
        json.loads((folder / f"{name}.json").read_text()) for name in ("comparison", "summary", "results")
    )
    runs: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        if entry["role"] == "test":
            found = {
                f"{name}_{state}": round(entry[state][name], 5) for state in ("raw", "scaled") for name in MEASURES
            }
            kept = {"seed": entry["seed"], "temperature": round(entry["temperature"], 4), "seconds": entry["seconds"]}
            runs.setdefault(entry["method"], []).append(kept | found)
    machine, pixels = about["machine"], summary["segmentation"]
    names = {row["sentence"]: row["method"] for row in summary["rows"]}
    result = {
        "command": re.sub(r" (--out|--jobs) \S+", "", about["command"]),
        "data": re.sub(r" in \S+/", " in ", about["data"]["origin"]),
        "levelhead": about["levelhead"],
        "commit": commit,
        "torch": about["versions"]["torch"],
        "machine": f"{machine['cores']} cores, {machine['processor']}",
        "network": about["identity"]["network"],
        "recipe": about["identity"]["recipe"],
        "n_test": summary["n_test"],
        "images": pixels["images"],
        "pixels": pixels["pixels"],
        "n_seeds": len(next(iter(runs.values()))),
        "classes": about["data"]["classes"],
        "iou": {
            names[sentence]: [None if value is None else round(value, 4) for value in values]
            for sentence, values in pixels["iou"].items()
        },
        "runs": runs,
    }
    path = RESULTS / "camvid.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"written: {path}")


if __name__ == "__main__":
    main()
