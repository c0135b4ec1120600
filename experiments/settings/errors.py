class UsageError(ValueError):
    """What was asked for cannot be done; the message says what to do instead."""
