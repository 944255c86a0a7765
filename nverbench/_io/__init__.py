"""Private plumbing: files and folders of this machine, temporary files, digests, downloads,
archives, and text for a terminal.
"""
