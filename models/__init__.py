"""What everything else speaks: vocabulary, records, pages, problems, errors, settings and tables. Imports nothing of ours."""
