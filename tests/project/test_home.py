"""The tests' own promise: none of them can see or touch what belongs to the person who runs them."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from tests.support.program import Run


def test_home_is_an_empty_folder_of_the_test(home: Path) -> None:
    assert Path.home() == home
    assert Path.home() != Path(pwd.getpwuid(os.getuid()).pw_dir)
    assert list(home.iterdir()) == []


def test_no_setting_of_the_program_comes_from_outside() -> None:
    assert [name for name in os.environ if name.startswith(("KUBEMQ_", "KUBEMQCTL_"))] == []


def test_the_program_keeps_its_configuration_below_that_home(home: Path, run: Run) -> None:
    assert Path(run("profile", "path", address="").text.strip()).is_relative_to(home)
