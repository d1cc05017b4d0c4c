"""How many log lines of one kind are written."""

from asterisk_plugin.core.log_limit import LINES_PER_MINUTE, LogLimit


def test_so_many_lines_a_minute_are_written_and_the_next_minute_says_how_many_were_not():
    limit = LogLimit()
    written = [limit.take(60.0 + second) for second in range(LINES_PER_MINUTE + 5)]
    assert [is_written for is_written, _ in written] == [True] * LINES_PER_MINUTE + [False] * 5
    assert limit.take(120.0) == (True, 5)
    assert limit.take(121.0) == (True, 0)
