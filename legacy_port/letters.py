"""2019's letters of the classifiers. No array library is imported, so that help is immediate."""

LETTERS = dict(zip("ABCDEFG", ("GFZ", "GFY", "DFZ", "DFX", "DBX", "GBZ", "GBY"), strict=True))
"""2019's letters and the paper's names."""
