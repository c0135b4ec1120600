"""Numbers that hold where nobody says otherwise. No array library is imported."""

USUAL = 20
"""Images at once: larger batches are 5 % faster at most and take memory in proportion."""
DEFAULT_IMAGES = 10_000
"""Training images whose logits are computed where none ship and nobody says how many: 1,000 a class of ten."""
STUDENT_EPOCHS = 10
"""Epochs in which a grey-box surrogate learns its victim's probabilities."""
LAMBDA, LOOPS, LOOP_EPOCHS = 0.1, 6, 10
"""Of the Jacobian augmentation of a black-box substitute: step, loops, epochs of each (paper, appendix E)."""
