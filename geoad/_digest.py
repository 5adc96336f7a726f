"""Whether samples are still what they were."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any


def digest_of(parts: Iterable[Any]) -> str:
    """Return a short hash of buffers of bytes, and of anything else as text.

    >>> digest_of([b"points", (4, 5)]), digest_of([b"points", (5, 4)])
    ('0d73e773e9080b76', 'eea17ac06fd11921')
    """
    known = blake2b(digest_size=8)
    for part in parts:
        content = part if isinstance(part, bytes | memoryview) else f"\n{part}\n".encode()
        known.update(content)
    return known.hexdigest()


def digest_samples(samples: Any) -> str | None:
    """Return a text that is another when any of the samples is: their own `digest()`, or that of each of a list.

    None for samples without one.

    >>> class Part(str):
    ...     def digest(self):
    ...         return str(self)
    >>> digest_samples([Part("a"), Part("b")]) == digest_samples([Part("a"), Part("c")]), digest_samples([1.0, 2.0])
    (False, None)
    """
    if hasattr(samples, "digest"):
        found: str | None = samples.digest()
        return found
    if isinstance(samples, list | tuple) and all(hasattr(sample, "digest") for sample in samples):
        return digest_of(sample.digest() for sample in samples)
    return None
