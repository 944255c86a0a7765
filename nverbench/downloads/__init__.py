"""From the network to this machine: weights and corpora, resumed, verified, unpacked safely; nothing is used before it is what was wanted.

``weights.py`` and ``corpora.py`` are what the command line calls; ``transfer.py`` (with ``partial.py``) brings one file over https,
``archives.py`` (with ``archive_kinds.py``) opens zip and tar.
"""
