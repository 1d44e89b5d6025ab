"""What every test shares: where real data may be found, and quiet threads."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples every time: a suite that fails now and then tells nobody what changed. LEVELHEAD_FUZZ=1 draws anew.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("fuzz", deadline=None)
settings.load_profile("fuzz" if os.environ.get("LEVELHEAD_FUZZ") else "repeatable")

os.environ.setdefault("MPLBACKEND", "Agg")
_SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "data"
if "LEVELHEAD_DATA" not in os.environ and _SHARED.is_dir():
    os.environ["LEVELHEAD_DATA"] = str(_SHARED)


@pytest.fixture
def real_data() -> Path:
    """The folder of real data sets, or a skip that says what is missing."""
    folder = os.environ.get("LEVELHEAD_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("LEVELHEAD_DATA names no folder of real data sets")
    return Path(folder)
