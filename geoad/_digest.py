"""Whether samples are still what they were."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

KINDS = ("files", "parts")
"""The first word of a digest says what was hashed: the same samples have another digest of each kind."""


def digest_of(parts: Iterable[Any]) -> str:
    """Return a short hash of buffers of bytes, and of anything else as text.

    >>> digest_of([b"points", (4, 5)]), digest_of([b"points", (5, 4)])
    ('0d73e773e9080b76', 'eea17ac06fd11921')
    """
    known = blake2b(digest_size=8)
    for part in parts:
        if not isinstance(part, bytes | memoryview):
            part = f"\n{part}\n".encode(errors="surrogateescape")  # the name of a file may hold what is no UTF-8
        known.update(part)
    return known.hexdigest()


def digest_samples(samples: Any) -> str | None:
    """Return a text that is another when any of the samples is: their own `digest()`, or that of each of a list.

    That of a dataset begins with "files", that of a list with "parts". None for samples without one.

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
        return f"parts {digest_of(sample.digest() for sample in samples)}"
    return None


def same_samples(one: str | None, two: str | None) -> bool:
    """Return whether two digests may be of the same samples: they are equal, or cannot be held against each other.

    >>> same_samples("files a", "files b"), same_samples("files a", "parts b"), same_samples("files a", None)
    (False, True, True)
    >>> same_samples("of somebody", "else")
    False
    """
    if one is None or two is None or one == two:
        return True
    kinds = {digest.partition(" ")[0] for digest in (one, two)}
    return kinds == set(KINDS)


def digest_made_of(samples: Any, how: Sequence[Any]) -> str | None:
    """Return the digest of what is made of samples in this way, None if they have none.

    >>> digest_made_of([1.0], ["turned"]) is None
    True
    """
    digest = digest_samples(samples)
    return None if digest is None else f"{digest.partition(' ')[0]} {digest_of([digest, *how])}"
