"""What all connectors share between what a source says and the records of ``models.records``. No network, no files."""
