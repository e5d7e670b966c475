"""Measurements of speed and memory. Each module runs by itself: ``python -m benchmarks.csv_district --people 100000``."""
