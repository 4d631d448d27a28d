"""A service written with the official SDK is tested with the fixtures that come with kubemqctl."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.interop.conftest import _PYTHON
from tests.support.program import environment

_EXAMPLE = Path(__file__).with_name("example")


@pytest.mark.builtin
@pytest.mark.sdk
def test_the_tests_of_a_small_service_pass(tmp_path: Path) -> None:
    if not _PYTHON.exists():
        pytest.skip(f"no official SDK: {_PYTHON} is not there; `make test` makes it")
    shutil.copytree(_EXAMPLE, tmp_path / "service", ignore=shutil.ignore_patterns("__pycache__"))
    ran = subprocess.run(
        [_PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."],
        cwd=tmp_path / "service",
        env=environment("", {"PYTHONPATH": None}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert "3 passed" in ran.stdout, ran.stdout + ran.stderr
