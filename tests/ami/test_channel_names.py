"""Names of channels: what is written down of them, and which leg is meant."""

from __future__ import annotations

import pytest

from asterisk_plugin.core.channels import leg_key, without_number


@pytest.mark.parametrize(
    ("channel", "shown"),
    [
        ("PJSIP/carrier-0000001a", "PJSIP/carrier-0000001a"),
        ("PJSIP/carrier-2-0000001a", "PJSIP/carrier-2-0000001a"),
        ("DAHDI/1-1", "DAHDI/1-1"),
        ("DAHDI/i1/5551234-1", "DAHDI/i1-1"),
        ("DAHDI/i1/555-1234-1", "DAHDI/i1-1"),
        ("DAHDI/i1/5551234", "DAHDI/i1"),
        ("Local/+495551234@agents-00000001;2", "Local/agents-00000001;2"),
        ("Local/5551234/9@agents-00000001;2", "Local/agents-00000001;2"),
        ("AsyncGoto/DAHDI/i1/5551234-1", "AsyncGoto/DAHDI-1"),
        ("", ""),
    ],
)
def test_a_channel_name_is_written_down_without_the_number_in_it(channel, shown):
    """Technology, endpoint and suffix are enough to find the channel again."""
    assert without_number(channel) == shown


def test_legs_of_two_asterisks_with_equal_unique_ids_are_two_legs():
    """Their channels have names of their own."""
    assert leg_key("1795291200.7", "PJSIP/a-00000001") != leg_key("1795291200.7", "PJSIP/b-00000001")
