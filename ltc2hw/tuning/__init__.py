"""What to do about lost accuracy: remedies as data, advice, tuning, and the search for widths."""
