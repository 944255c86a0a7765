"""What a plugin is and how it is found: records, types, hooks, options, discovery, isolation."""
