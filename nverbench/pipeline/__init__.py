"""From what a user asked to results: selection, plan, jobs, embeddings, training, assembly, run."""
