"""Between the commands and the person who typed one: no traceback, a plain line, an exit code.

| exit code | what |
|---|---|
| 0 | in order; `check`: the call may be made |
| 1 | something was found: a broken ledger, a site with defects |
| 2 | bad input or configuration, or what is needed is away |
| 3 | `check`: not now |
| 4 | `check`: not at all |
| 70 | an error of the program itself |
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from asterisk_plugin.cli.given import complain, given
from asterisk_plugin.errors import ConfigError, ImportRefusedError, RingfenceError

if TYPE_CHECKING:
    from asterisk_plugin.errors import ConfigProblem

FOUND_PROBLEMS = 1
BAD_INPUT = 2
INTERNAL_ERROR = 70
"""EX_SOFTWARE of sysexits.h."""


class Boundary(TyperGroup):
    """The outermost group of commands: what a command raises becomes a line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was typed."""
        try:
            return super().invoke(ctx)
        except RingfenceError as exc:
            _explain(exc)
            raise typer.Exit(BAD_INPUT) from exc
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except Exception as exc:
            if _is_usage_error(exc):
                raise
            # The boundary: whatever else it is, it is our mistake, and a traceback helps only us.
            if given(ctx).debug:
                traceback.print_exc()
            complain(
                f"internal error: {type(exc).__name__}: {exc} (`ringfence --debug …` shows where; please report it)"
            )
            raise typer.Exit(INTERNAL_ERROR) from exc


def problem_line(problem: ConfigProblem) -> str:
    """`campaigns.toml:31: campaign[2].principal: found `"tulp"`; must be ...`"""
    where = f"{problem.file}:{problem.line}" if problem.line else problem.file
    key = f" {problem.key}:" if problem.key else ""
    found = f" found {problem.found};" if problem.found else ""
    return f"{where}:{key}{found} {problem.allowed}"


def _explain(exc: RingfenceError) -> None:
    match exc:
        case ConfigError():
            for problem in exc.problems:
                complain(problem_line(problem))
            if len(exc.problems) > 1:
                complain(f"{len(exc.problems)} problems")
        case ImportRefusedError():
            for line, what in exc.problems:
                complain(f"{exc.file}:{line}: {what}")
            if exc.total > len(exc.problems):
                complain(f"… and {exc.total - len(exc.problems)} more")
            complain(str(exc))
        case _:
            complain(f"ringfence: {exc}")


def _is_usage_error(exc: Exception) -> bool:
    """What typer itself reports, with usage and exit code 2; its classes live in a private module."""
    return hasattr(exc, "exit_code") and hasattr(exc, "format_message")
