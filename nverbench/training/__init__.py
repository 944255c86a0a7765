"""One fold of one replicate: data, loop, early stopping, sequences, checkpoints. Imports torch only
in the modules that train.
"""
