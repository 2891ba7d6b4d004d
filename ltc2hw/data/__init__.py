"""Data of your own: from files, arrays and event recordings to samples and tasks."""
