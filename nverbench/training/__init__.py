"""Training of one fold of one replicate: data, loop, early stopping, sequences, checkpoints. Only
the modules that train import torch.
"""
