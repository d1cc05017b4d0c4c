"""Ringfence: the compliance gate for Asterisk call centres.

Read in this order: `core/verdict.py` (what a decision is), `core/rules/` (why a call
may not go), `core/engine.py` (how findings join), `callflow/outbound.py` (one attempt,
step by step), `agi/wire.py` (how Asterisk speaks to us), `app/` (who knows whom).
"""

__version__ = "0.1.0"
