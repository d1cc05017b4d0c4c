"""`ringfence`, also as `python -m asterisk_plugin`."""

from __future__ import annotations


def main() -> None:
    """Run the command that was typed; ends the process with its exit code."""
    from asterisk_plugin.cli.main import app

    app()


if __name__ == "__main__":
    main()
