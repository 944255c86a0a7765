"""Claims of papers, and what the rows say about them."""
