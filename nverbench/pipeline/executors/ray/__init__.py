"""Ray as the executor of a run: tasks on this machine or on a cluster."""
