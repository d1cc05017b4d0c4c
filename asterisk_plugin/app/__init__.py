"""Builds every part from the configuration. Only this package and the service know everybody.

`node` is what every process that decides needs; `scripts` and `asterisks` put FastAGI and AMI around it.
"""
