"""Runs the command line for ``python -m nverbench``.

Worker processes import this file under another name and must not run the command line.
"""

from nverbench.cli import main

if __name__ == "__main__":
    main()
