"""What people write about their clips: labels, speakers and tables, read the same way for every
road (``table:``, ``folder:``, ``nverbench.evaluate``, ``nverbench score``).
"""
