"""The append-only, hash-chained record that everything else is projected from."""
