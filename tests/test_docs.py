"""Documentation that is generated is current, and every example runs."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def generator():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_current():
    for page, make in generator().PAGES.items():
        assert (ROOT / "docs" / page).read_text(encoding="utf-8") == make(), f"run make docs: docs/{page} is old"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_runs_and_is_short(example):
    assert len(example.read_text().splitlines()) <= 60
    result = subprocess.run([sys.executable, str(example)], capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout


def test_the_word_in_the_documentation_passes_its_contract(tmp_path):
    for block in (ROOT / "docs" / "loop.md").read_text(encoding="utf-8").split("```python\n")[1:]:
        code = block.split("```")[0]
        if code.startswith("# ") and code.split("\n")[0].endswith(".py"):
            (tmp_path / code.split("\n")[0][2:]).write_text(code)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mine.py"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stdout


def test_the_page_on_evaluation_can_be_followed_to_the_letter(tmp_path):
    page = (ROOT / "docs" / "evaluate.md").read_text(encoding="utf-8")
    code = "".join(block.split("```")[0] for block in page.split("```python\n")[1:])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "sets hold the label" in done.stdout
    (command,) = [line.split()[2:] for line in page.splitlines() if line.startswith("$ levelhead ")]
    words = [sys.executable, "-m", "levelhead", *command]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "fitted on cal.npz, n = 800" in done.stdout


def test_there_are_examples():
    assert EXAMPLES
