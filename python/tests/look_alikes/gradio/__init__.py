"""A look-alike: the queue of events, and how it cancels them."""
