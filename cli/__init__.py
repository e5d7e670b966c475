"""The command line: arguments in, the verbs of ``sync`` called, their reports shown. Knows no file format, no SQL."""
