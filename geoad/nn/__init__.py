"""Torch blocks that detectors and descriptors are made of."""
