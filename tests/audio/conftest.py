"""The live lab, for what only a real Asterisk can tell."""

from tests.lab.fixtures import lab

__all__ = ["lab"]
