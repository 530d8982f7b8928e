"""Every error that a user can cause.

    WaymarkError
    ├── ConfigError            a setting, an option or a recipe field has an impossible value
    │   └── UnknownName        no recipe, backbone, landmark ... of that name
    ├── PhotoError             a photo cannot be used
    │   ├── UnreadablePhoto    not a photo, damaged, or not to be opened
    │   │   └── UnopenedPhoto  its file is not handed out: rights, the disk, the network
    │   ├── TruncatedPhoto     the end of the file is missing
    │   └── PhotoTooLarge      over the limit on bytes or pixels
    ├── DatasetError           a dataset has the wrong shape, or nothing in it
    ├── GazetteerError         a landmarks.csv is wrong
    ├── CollectError           a source of photos cannot be asked, or answers wrongly
    ├── BundleError            a bundle is damaged, unsafe or of another format
    ├── RunError               a run folder is in the way, or cannot be resumed
    ├── LibraryError           a photo library's database cannot be opened, read or written
    ├── SidecarError           a sidecar cannot be read, or must not be written
    ├── ShapeError             an array does not have the shape that is asked for
    └── MissingExtra           an optional dependency is not installed

A message says what happened (with the path or the value), what was expected and what
to do about it. The command line prints it on one line; REST returns `code` and the text.
"""


class WaymarkError(Exception):
    """What went wrong, what was expected, and how to fix it, in one message.

    Attributes:
        code: stable machine-readable name of the kind of error.
    """

    code = "waymark"


class ConfigError(WaymarkError):
    """A setting, an option or a recipe field has an impossible value."""

    code = "config"


class UnknownName(ConfigError):
    """Nothing of that name is known; the message has the nearest match."""

    code = "unknown-name"


class PhotoError(WaymarkError):
    """A photo cannot be used."""

    code = "photo"


class UnreadablePhoto(PhotoError):
    """The file is not a photo, is damaged, or may not be opened."""

    code = "unreadable-photo"


class UnopenedPhoto(UnreadablePhoto):
    """The system does not hand out the file: nothing is known of the photo in it."""


class TruncatedPhoto(PhotoError):
    """The end of the photo's file is missing."""

    code = "truncated-photo"


class PhotoTooLarge(PhotoError):
    """The photo is over the limit on bytes or pixels."""

    code = "photo-too-large"


class DatasetError(WaymarkError):
    """A dataset has the wrong shape, or nothing in it."""

    code = "dataset"


class GazetteerError(WaymarkError):
    """A landmarks.csv has a row that cannot be right."""

    code = "gazetteer"


class CollectError(WaymarkError):
    """A source of photos cannot be asked, or does not answer as it should."""

    code = "collect"


class BundleError(WaymarkError):
    """A bundle is damaged, unsafe, or of a format that this waymark does not read."""

    code = "bundle"


class RunError(WaymarkError):
    """A run folder is in the way, or cannot be resumed."""

    code = "run"


class SidecarError(WaymarkError):
    """A sidecar is damaged, unsafe, or must not be replaced; or its journal cannot be kept."""

    code = "sidecar"


class LibraryError(WaymarkError):
    """A photo library's database cannot be opened, read or written."""

    code = "library"


class ShapeError(WaymarkError):
    """An array does not have the shape or the range that the function asks for."""

    code = "shape"


class MissingExtra(WaymarkError):
    """An optional dependency is not installed; the message has the command."""

    code = "missing-extra"
