"""Rows as text: in a terminal, as JSON, CSV, Markdown and LaTeX."""
