"""One command that shows what waymark does, as a page to look at.

Without photos: render sample landmarks, teach them by the fast path, and put the result to
the test on views it has not seen and on things it was never taught.
With photos: name the landmarks in them with the world model, and draw where they stand.
"""

from waymark.demo.own_photos import demo_photos
from waymark.demo.rendered import demo_samples

__all__ = ["demo_photos", "demo_samples"]
