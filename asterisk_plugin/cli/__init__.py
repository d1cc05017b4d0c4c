"""The `ringfence` command, one module per verb."""
