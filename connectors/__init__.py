"""The ways in: each turns what a source holds into the records of ``models.records``."""

from connectors.csvfiles import CsvUpload

#: Every connector by its key, which is what ``connection.connector`` stores.
CONNECTORS = {"csv": CsvUpload}
