"""Plain functions: numbers, rules, verdicts. Nothing here waits, reads a clock or a file."""
