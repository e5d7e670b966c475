"""One module per group of commands. What is heavy is imported inside a command, so that ``--help`` answers at once."""
