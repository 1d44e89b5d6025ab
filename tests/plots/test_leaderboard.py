import pytest
from PIL import Image

from levelhead.plots import overview
from levelhead.plots.leaderboard import MAX_PNG
from report.conftest import write_comparison


def test_a_picture_for_a_readme(folder, tmp_path):
    path = overview(folder, tmp_path / "picture.png")
    assert path.stat().st_size <= MAX_PNG
    picture = Image.open(path).convert("RGB")
    assert picture.width >= 800
    colours = {colour for _, colour in picture.getcolors(1 << 24)}
    assert (213, 94, 0) in colours  # before scaling
    assert (0, 114, 178) in colours  # after


def test_vector_formats_carry_the_names_and_numbers(folder, tmp_path):
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none"}):
        text = overview(folder, tmp_path / "picture.svg").read_text()
    for name in ("vanilla", "logitmix_cm", "before scaling", "after scaling", "n = 600 × 3 seeds"):
        assert name in text
    assert overview(folder, tmp_path / "picture.pdf").read_bytes().startswith(b"%PDF")


def test_names_that_would_be_formulas_or_have_no_letters_here(tmp_path):
    odd = write_comparison(
        tmp_path / "c", methods=("$\\frac$", "校准", "<b>x</b>" + 30 * " | long"), seeds=1, baseline=None
    )
    assert overview(odd, tmp_path / "picture.png").stat().st_size > 10_000


@pytest.mark.slow
def test_forty_methods_stay_within_the_limit(tmp_path):
    many = write_comparison(tmp_path / "c", methods=[f"m{i}" for i in range(40)], seeds=1, baseline=None, epochs=1)
    assert overview(many, tmp_path / "picture.png").stat().st_size <= MAX_PNG


def test_nothing_to_draw_is_said(tmp_path):
    empty = write_comparison(tmp_path / "c", methods=("a",), seeds=1, baseline=None)
    for path in empty.glob("runs/*/test.safetensors"):
        path.unlink()
    with pytest.raises(ValueError, match="holds no predictions to draw"):
        overview(empty, tmp_path / "picture.png")
    assert not (tmp_path / "picture.png").exists()
