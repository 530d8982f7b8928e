"""The tables of the journal: what waymark wrote into sidecars, and what stood there before.

`before` is the whole sidecar of before, compressed: what `undo` gives back. A file's state is
`planned` until the sidecar is replaced, then `written`; `dropped` if that did not come to pass;
`undoing` and then `undone` when it is taken back. One write is `open` until it is through. A
hash that is empty, not NULL, is that of no file: the write, or the undo, removes it.
"""

JOURNAL = """
CREATE TABLE writes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    command TEXT NOT NULL,
    options TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'done'))
);
CREATE TABLE written_files (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    write_id INTEGER NOT NULL REFERENCES writes (id),
    kind TEXT NOT NULL CHECK (kind IN ('sidecar', 'embedded')),
    photo BLOB NOT NULL,
    file BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('planned', 'written', 'dropped', 'undoing', 'undone')),
    before_sha256 BLOB,
    before BLOB,
    after_sha256 BLOB NOT NULL,
    mark TEXT NOT NULL,
    added TEXT NOT NULL
);
CREATE INDEX written_files_by_file ON written_files (file, id);
CREATE INDEX written_files_by_write ON written_files (write_id, id);
CREATE INDEX written_files_unsettled ON written_files (state)
    WHERE state IN ('planned', 'undoing');
"""

# Sidecars are found again beside photos that were moved, and an undo that a kill cut short is
# known by what it was about to leave.
FOLLOWED = """
ALTER TABLE written_files ADD COLUMN photo_sha256 BLOB;
ALTER TABLE written_files ADD COLUMN undo_sha256 BLOB;
ALTER TABLE written_files ADD COLUMN undo_added TEXT;
CREATE INDEX written_files_by_photo ON written_files (photo_sha256, id)
    WHERE photo_sha256 IS NOT NULL AND state = 'written';
"""

# A row knows the one before it in the same sidecar: names are used again by other photos.
LINKED = """
ALTER TABLE written_files ADD COLUMN follows INTEGER REFERENCES written_files (id);
UPDATE written_files SET follows = (
    SELECT max(earlier.id) FROM written_files AS earlier
    WHERE earlier.file = written_files.file AND earlier.kind = written_files.kind
    AND earlier.id < written_files.id AND earlier.state = 'written'
    AND (earlier.kind = 'embedded' OR earlier.photo_sha256 IS NULL
        OR written_files.photo_sha256 IS NULL
        OR earlier.photo_sha256 = written_files.photo_sha256)
) WHERE state IN ('planned', 'written', 'undoing');
CREATE INDEX written_files_by_link ON written_files (follows) WHERE follows IS NOT NULL;
"""
