"""The README's program with the official SDK: on a broker that fails, right only with a retry."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.interop.conftest import _PYTHON
from tests.support.program import Run

_README = (Path(__file__).parents[2] / "README.md").read_text()
(_PROGRAM,) = re.findall(r"^```python\n(import os, sys, time\n.*?)^```$", _README, re.MULTILINE | re.DOTALL)
(_FAULTS,) = re.findall(r"`kubemqctl broker exec (--fault .*?) -- sh", _README)


@pytest.mark.builtin
@pytest.mark.sdk
@pytest.mark.parametrize(("tries", "all_arrive"), [(1, False), (100, True)])
def test_only_with_a_retry_every_order_arrives(
    tries: int, all_arrive: bool, run: Run, tmp_path: Path
) -> None:
    if not _PYTHON.exists():
        pytest.skip(f"no official SDK: {_PYTHON} is not there; `make test` makes it")
    (tmp_path / "shop.py").write_text(_PROGRAM)
    listing = f"{sys.executable} -m kubemqctl queue list -o json"
    script = f"{_PYTHON} {tmp_path / 'shop.py'} {tries} 2>/dev/null; {listing}"
    result = run("broker", "exec", *_FAULTS.split(), "--", "sh", "-c", script, address="")
    assert result.code == 0, result.err
    (orders,) = result.records()
    assert (orders["waiting"] == 30) == all_arrive
    assert "fault error=10%@QueuesUpstream: " in result.err
