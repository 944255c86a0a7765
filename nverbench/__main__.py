"""``python -m nverbench``. Worker processes import this file too, under another name, and must not
run it.
"""

from nverbench.cli import main

if __name__ == "__main__":
    main()
