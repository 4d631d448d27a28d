"""What tests of the configuration share: a file with two profiles, and what comes out of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kubemqctl.config.settings import Settings, resolve
from kubemqctl.config.sources import Flags
from kubemqctl.model.errors import KubemqctlError

Write = Callable[..., Path]

PROD = """\
current: prod
profiles:
  prod:
    address: prod:50000
    client_id: prod-id
    token: ${PROD_TOKEN}
    tls:
      ca: /etc/prod-ca.pem
    output: json
    protected: true
  dev:
    address: [dev-a:50000, dev-b:50001]
    token: ${DEV_TOKEN}
"""

NO_FLAGS = Flags()
DEV = Flags(profile="dev")
ELSEWHERE = Flags(addresses=("evil:1",))


def settings(path: Path, flags: Flags = NO_FLAGS, **environ: str) -> Settings:
    """What comes out of the file at `path`, or of none, with both tokens of PROD at hand."""
    tokens = {"PROD_TOKEN": "prod-secret", "DEV_TOKEN": "dev-secret"}
    return resolve(
        flags, {"KUBEMQCTL_CONFIG": str(path) if path.exists() else os.devnull, **tokens, **environ}
    )


def failure(kind: type[KubemqctlError], act: Callable[[], object]) -> KubemqctlError:
    with pytest.raises(kind) as raised:
        act()
    return raised.value


def imported(*lines: str) -> set[str]:
    """The modules of a new interpreter that has run these lines."""
    code = "; ".join(["import sys", *lines, "print(*sys.modules)"])
    return set(subprocess.check_output([sys.executable, "-c", code], text=True).split())
