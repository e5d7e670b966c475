"""The CSV connector: uploaded or dropped files of the product's own kind and of the OneRoster CSV sets."""

from connectors.csvfiles.connector import CsvUpload, ReadFile

__all__ = ["CsvUpload", "ReadFile"]
