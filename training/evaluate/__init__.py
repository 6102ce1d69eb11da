"""`narrows evaluate`: labelled rows through the detector as it is served, what that was worth, and how to show it."""
