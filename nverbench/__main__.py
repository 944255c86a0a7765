"""``python -m nverbench``: the same as the command ``nverbench``."""

from nverbench.cli import main

main()
