"""Redis or Valkey: every look-up of a decision."""
