"""Numbers that runs take where nobody says; light, so that whatever only names them imports no array library."""

USUAL = 20
"""Images at once: larger batches are 5 % faster at most and take memory in proportion."""
DEFAULT_IMAGES = 10_000
"""Training images that set thresholds where no logits ship and nobody says: 1,000 a class of ten."""
LAMBDA, LOOPS, LOOP_EPOCHS = 0.1, 6, 10
"""Of the Jacobian augmentation, the paper's (appendix E)."""
STUDENT_EPOCHS = 10
"""Of a surrogate model that is distilled."""
