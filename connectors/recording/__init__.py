"""What a source answered, kept without anybody's secrets or names, and played back to the same connector code."""
