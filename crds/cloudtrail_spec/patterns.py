"""Users' patterns: RE2 text → a compiled expression. Called by the models that hold patterns and by what applies them."""

from importlib import import_module
from typing import Any


def compile_pattern(pattern: str) -> Any:
    """Compile an RE2 expression for bytes of UTF-8. Raises ValueError with what is wrong in it.

    The engine is loaded by the first pattern: most sources have none.
    """
    re2 = import_module("re2")
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern.encode(), options)
    except UnicodeEncodeError as error:
        raise ValueError(str(error)) from error
    except re2.error as error:
        said = error.args[0] if error.args else ""
        raise ValueError(said.decode(errors="replace") if isinstance(said, bytes) else str(said)) from error
