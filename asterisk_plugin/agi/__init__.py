"""Asterisk Gateway Interface: how the dialplan asks us."""
