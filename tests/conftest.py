"""For all tests: what a service that took part in a failed test has logged stands beside the failure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

_LINES = 60


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the last lines of every log below the test's folder: a run on another machine leaves nothing else."""
    report = yield
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if report.failed and isinstance(folder, Path):
        for log in sorted(folder.rglob("service*.log")):
            lines = log.read_text(errors="replace").splitlines()[-_LINES:]
            report.sections.append((f"last lines of {log.relative_to(folder)}", "\n".join(lines)))
    return report
