"""Source text, counted."""

from __future__ import annotations

import ast
import io
import tokenize


def lines_of_code(text: str) -> int:
    """Lines with code on them: no blank ones, comments or docstrings."""
    tree = ast.parse(text)
    told = [
        node.body[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node)
    ]
    silent = {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
    tokens = [
        token
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in silent
    ]
    code = {line for token in tokens for line in range(token.start[0], token.end[0] + 1)}
    return len(
        code - {line for node in told for line in range(node.lineno, (node.end_lineno or 0) + 1)}
    )
