"""The state of each part as metrics, read when asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from prometheus_client import Metric


class PartsCollector(Collector):
    """`ringfence_part_up{part}`: 1 when the part can do its work, 0 when not.

    Args:
        parts: Says the state of each part: `ok`, or what is wrong.
    """

    def __init__(self, parts: Callable[[], Mapping[str, str]]) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        """Ask once, give one sample a part."""
        family = GaugeMetricFamily("ringfence_part_up", "Whether a part can do its work", labels=["part"])
        for name, state in self._parts().items():
            family.add_metric([name], 1.0 if state == "ok" else 0.0)
        yield family

    def describe(self) -> list[Metric]:
        """Nothing to describe beforehand: the parts are known only when asked."""
        return []
