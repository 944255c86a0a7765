"""Who carries out planned jobs: this process (``local``)."""
