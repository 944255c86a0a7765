"""Who carries out planned jobs: this machine (``local``, with one process per GPU where there are
several) or Ray (``cluster``).
"""
