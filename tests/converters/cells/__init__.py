"""For every cell of the table of features, a conversion that meets the feature."""
