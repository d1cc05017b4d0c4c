"""Asterisk's AudioSocket: the sound of a call over TCP."""
