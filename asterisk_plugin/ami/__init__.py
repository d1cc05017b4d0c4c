"""Asterisk Manager Interface: how we watch every channel."""
