"""The append-only, hash-chained record that everything else is projected from."""

from asterisk_plugin.ledger.sql import LedgerLimits, LedgerStatus, SqlLedger, open_ledger
from asterisk_plugin.ledger.verification import ChainReport, verify

__all__ = ["ChainReport", "LedgerLimits", "LedgerStatus", "SqlLedger", "open_ledger", "verify"]
