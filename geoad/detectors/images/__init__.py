"""Methods on images: depth, colour, or both."""
