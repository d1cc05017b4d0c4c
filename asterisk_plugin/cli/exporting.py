"""Files that commands write for people: whole or not there, readable by their owner only, harmless in a spreadsheet."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from typing import TYPE_CHECKING

from asterisk_plugin.cli.fields import visible
from asterisk_plugin.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# A spreadsheet may take a semicolon, a tab or a line break within a cell for the cell's end, and the wide signs of
# Japanese keyboards for the plain ones.
_FORMULA = re.compile(r'(^|[;\t\n])(?=[ "]*[=+\-@＝＋－＠])|^(?=[\t\n])')


def harmless(text: str) -> str:
    """A text of a stranger as a cell that no spreadsheet takes for a formula."""
    return _FORMULA.sub(r"\1'", visible(text))


@contextlib.contextmanager
def whole_file(file: Path, *, may_replace: bool = True) -> Iterator[Path]:
    """A draft to write; it takes the file's place at the end, unless something failed.

    Args:
        file: What is to be written.
        may_replace: It may be there already.

    Raises:
        InputError: The file cannot be written, or is there and must not be replaced.
    """
    if not file.name:
        raise InputError(f"`{file}` is no file; name one")
    _refuse_to_replace(file, may_replace)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield draft
        _refuse_to_replace(file, may_replace)
        draft.rename(file)
    except OSError as exc:
        raise InputError(f"`{file}` cannot be written: {exc.strerror or exc}") from exc
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()


def _refuse_to_replace(file: Path, may_replace: bool) -> None:
    if not may_replace and (file.exists() or file.is_symlink()):
        raise InputError(f"`{file}` is there already; name another file, or --force to write over it")


@contextlib.contextmanager
def counted(what: str) -> Iterator[Callable[[], None]]:
    """Gives what is to be called for each of them: a count on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn(f"{{task.completed}} {what}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda: progress.advance(task)
