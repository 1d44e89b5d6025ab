"""What several modules about training from files use."""

import pytest
from tests.data.layouts import write_tree


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache folder of the module's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Small images in folders of two classes."""
    root = tmp_path_factory.mktemp("streaming") / "images"
    write_tree(root, {"ant": 60, "bee": 50}, shape=(16, 16, 3))
    return root
