from pathlib import Path

import pytest
from matplotlib.figure import Figure

from report.conftest import write_comparison


@pytest.fixture
def ax():
    """An empty axis on a figure of its own, without pyplot's global state."""
    return Figure().subplots()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison of seven methods and three seeds; not to be changed."""
    return write_comparison(tmp_path_factory.mktemp("plots") / "comparison", recommended="mixup", epochs=3)
