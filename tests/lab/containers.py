"""The lab's configuration for `docker-compose.yml`: the same templates, with fixed ports.

`python -m tests.lab.containers DIRECTORY` writes `pbx/`, `carrier/` and `ringfence/` below it. All
containers share one network namespace, so loopback addresses tell the parts apart as in the lab.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.lab.instance import TEMPLATES, fill_templates
from tests.lab.lab import CARRIER_HOST, DIALPLAN, PBX_HOST
from tests.lab.sound_folders import SHIPPED

MODULES = "/usr/lib/x86_64-linux-gnu/asterisk/modules"
DATA = "/usr/share/asterisk"
SECRET = "lab-only"
SITE = Path(__file__).parents[1] / "site"

PORTS = {
    "pbx": {"HOST": PBX_HOST, "SIP": "5070", "AMI": "5038", "RTP_FIRST": "20000", "RTP_LAST": "20999"},
    "carrier": {"HOST": CARRIER_HOST, "SIP": "5080", "AMI": "5039", "RTP_FIRST": "21000", "RTP_LAST": "21999"},
}
SHARED = {
    "PBX_HOST": PBX_HOST,
    "PBX_SIP": PORTS["pbx"]["SIP"],
    "CARRIER_HOST": CARRIER_HOST,
    "CARRIER_SIP": PORTS["carrier"]["SIP"],
    "FASTAGI_HOST": "127.0.0.1",
    "FASTAGI": "4573",
    "MODULES": MODULES,
    "DATA": DATA,
    "SECRET": SECRET,
}
SERVICE = f"""[[asterisk]]
name = "pbx"
host = "{PBX_HOST}"
port = {PORTS["pbx"]["AMI"]}
username = "ringfence"
secret = "{SECRET}"
trunks = ["PJSIP/carrier"]

[http]
host = "0.0.0.0"
"""


def write(folder: Path) -> None:
    """Write the configuration of both Asterisks and of the service.

    Args:
        folder: The shared volume.
    """
    for name, own in PORTS.items():
        here = folder / name
        for part in ("etc", "agi", "lib", "spool", "run", "log", "sounds"):
            (here / part).mkdir(parents=True, exist_ok=True)
        dialplan = (DIALPLAN,) if name == "pbx" else ()
        values = {**SHARED, **own, "DIR": str(here), "ETC": str(here / "etc")}
        values["TRANSMIT_SILENCE"] = "yes" if name == "carrier" else "no"
        fill_templates((TEMPLATES / "both", *dialplan, TEMPLATES / name), here / "etc", values)
    shutil.copytree(SHIPPED, folder / "sounds", dirs_exist_ok=True)
    config = folder / "ringfence"
    shutil.copytree(SITE, config, dirs_exist_ok=True)
    (config / "ringfence.toml").write_text(SERVICE)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
