"""One module for each thing that may stand against a call; `core/engine.py` joins what they find."""
