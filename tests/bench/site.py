"""The site that is measured: one Dutch campaign, 5,000 people who asked to be called.

A requested call may ring at any hour, so the benchmark does not depend on the clock, while
every rule of the Dutch rulebook is still judged.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from asterisk_plugin.settings.data_dir import DataDir
from tests.bench.load import NUMBERS, number

CAMPAIGNS = """
home_country = "NL"

[call_centre]
id = "centre"
name = "Bench Centre B.V."
country = "NL"

[[principal]]
id = "bench"
name = "Bench B.V."
announced_name = "Bench"
country = "NL"
memberships = ["nl.code-telemarketing"]

[[caller_id]]
number = "+31201234567"
assigned_to = "bench"
right_of_use = ["centre"]
call_back_routed = true

[[campaign]]
id = "bench-nl"
principal = "bench"
purpose = "sales"
product = "energy"
caller_ids = ["+31201234567"]
language = "nl"
"""

SERVICE = """
[service]
workers = {workers}
log_level = "warning"

[agi]
port = 0

[http]
port = 0

[audiosocket]
port = 0
"""


@dataclass(frozen=True, slots=True)
class Running:
    """A service under measurement."""

    process: subprocess.Popen[bytes]
    agi_port: int
    store_url: str


def start_service(folder: Path, *, workers: int) -> Running:
    """Write the configuration, import the consents, start the service, wait until it is ready."""
    config, data = folder / "config", folder / "data"
    config.mkdir(parents=True)
    (config / "campaigns.toml").write_text(CAMPAIGNS)
    (config / "ringfence.toml").write_text(SERVICE.format(workers=workers))
    people = folder / "people.csv"
    rows = "".join(f"{number(i)},bench,sales,any,requested-call,2026-10-01T10:00:00Z\n" for i in range(NUMBERS))
    people.write_text("number,principal,purpose,product,kind,given_at\n" + rows)
    command = [sys.executable, "-m", "asterisk_plugin", "--config", str(config), "--data-dir", str(data)]
    subprocess.run([*command, "consent", "import", str(people)], check=True, capture_output=True)
    process = subprocess.Popen([*command, "serve"])
    deadline_s = time.monotonic() + 60
    while "agi_port" not in (run := DataDir(data).read_run()):
        if process.poll() is not None or time.monotonic() > deadline_s:
            raise RuntimeError("the service did not start")
        time.sleep(0.05)
    return Running(process, int(run["agi_port"]), run["store_url"])
