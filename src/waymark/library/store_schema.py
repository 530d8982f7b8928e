"""How a library is laid out in SQLite, version after version.

In:  a connection to a database of any earlier version, or a new one.
Out: the same at the newest version; each step is one transaction, so a kill leaves it between
     two versions, never inside one.

A step that was released is never edited: what changes is a new step at the end.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

APPLICATION = 0x5741594D  # "WAYM": what `file` and we know a library by

_TAGS = """
CREATE TABLE landmark (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,       -- its id in the gazetteer or the bundle
  name TEXT NOT NULL,
  local_name TEXT,
  place TEXT,
  country TEXT,
  category TEXT,
  lat REAL,
  lon REAL,
  extent_m REAL,
  wikidata TEXT,
  estimated INTEGER NOT NULL
);

CREATE TABLE photo (
  id INTEGER PRIMARY KEY,
  path BLOB NOT NULL UNIQUE,      -- as the file system has it: any bytes
  raw BLOB,                       -- the RAW file of a RAW+JPEG pair
  size INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL,      -- -1: read it again
  inode INTEGER NOT NULL,
  beside TEXT NOT NULL,           -- what sidecar and Takeout file looked like when they were read
  sha256 BLOB,                    -- NULL: could not be read
  format TEXT,
  width INTEGER,
  height INTEGER,
  taken TEXT,                     -- ISO 8601, with its offset from UTC where that is known
  taken_from TEXT,                -- exif or takeout
  moment INTEGER NOT NULL,        -- seconds of the wall clock: taken, or else the file's time
  lat REAL,
  lon REAL,
  gps_from TEXT,                  -- exif, sidecar or takeout
  gps_says TEXT,                  -- of the tag: agree, near or disagree
  error TEXT,
  bundle TEXT,                    -- first 12 hex digits of its SHA-256
  guesses TEXT,                   -- JSON: [[landmark.id, score] ...], best first
  unknown_score REAL,
  landmark INTEGER REFERENCES landmark(id),  -- the tag; NULL: unknown
  score REAL,
  evidence TEXT,                  -- photo, context or person
  state TEXT NOT NULL DEFAULT 'new',
  worth REAL NOT NULL DEFAULT 0,  -- what a person's answer is worth; see `context_run`
  pending INTEGER NOT NULL DEFAULT 1,        -- its neighbours have not been asked yet
  missing INTEGER NOT NULL DEFAULT 0,        -- not where it was when the folder was last read
  tagged_at TEXT NOT NULL
);
CREATE INDEX photo_content ON photo (sha256);
CREATE INDEX photo_landmark ON photo (landmark, moment, id, score, state, missing);
CREATE INDEX photo_moment ON photo (moment, id, landmark, score, state, missing);
CREATE INDEX photo_state ON photo (state, moment, id, score, landmark, missing);
CREATE INDEX photo_score ON photo (score, landmark, state, moment, id, missing);
CREATE INDEX photo_evidence ON photo (evidence, moment, id) WHERE evidence IS NOT NULL;
CREATE INDEX photo_gps ON photo (gps_says, moment, id) WHERE gps_says IS NOT NULL;
CREATE INDEX photo_worth ON photo (worth, id) WHERE state = 'new';
CREATE INDEX photo_pending ON photo (moment) WHERE pending;
CREATE INDEX photo_failed ON photo (moment, id) WHERE error IS NOT NULL;

CREATE TABLE review (
  id INTEGER PRIMARY KEY,
  act INTEGER NOT NULL,           -- what was done in one go is taken back in one go
  photo INTEGER NOT NULL REFERENCES photo(id) ON DELETE CASCADE,
  said_at TEXT NOT NULL,
  was_state TEXT NOT NULL,
  was_landmark INTEGER,
  was_score REAL,
  was_evidence TEXT,
  state TEXT NOT NULL,
  landmark INTEGER
);
CREATE INDEX review_act ON review (act);
CREATE INDEX review_photo ON review (photo);

CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""

# A tag's confidence: its score times the probability that a landmark is in the photo at all.
# What asked for a score, asks for that. `worth` is above 0 just where a photo waits for review.
_CONFIDENCE = """
ALTER TABLE photo ADD COLUMN confidence REAL;
UPDATE photo SET confidence =
  CASE evidence WHEN 'person' THEN score ELSE score * (1 - coalesce(unknown_score, 0)) END;
ALTER TABLE review ADD COLUMN was_confidence REAL;
UPDATE review SET was_confidence = CASE was_evidence WHEN 'person' THEN was_score
  ELSE was_score * (1 - coalesce((SELECT unknown_score FROM photo WHERE id = photo), 0)) END;
UPDATE photo SET pending = 1;
UPDATE photo SET worth = 0 WHERE landmark IS NULL;
DROP INDEX photo_landmark;
DROP INDEX photo_moment;
DROP INDEX photo_state;
DROP INDEX photo_score;
DROP INDEX photo_worth;
CREATE INDEX photo_landmark ON photo (landmark, moment, id, confidence, state, missing);
CREATE INDEX photo_moment ON photo (moment, id, landmark, confidence, state, missing);
CREATE INDEX photo_state ON photo (state, moment, id, confidence, landmark, missing);
CREATE INDEX photo_confidence ON photo (confidence, landmark, state, moment, id, missing);
CREATE INDEX photo_worth ON photo (worth, id, missing) WHERE state = 'new' AND worth > 0;
"""

# Bundles differ in what they call `castle`: a landmark is its id and what is known of it.
_LANDMARKS = """
CREATE TABLE landmark_new (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL,              -- its id in the gazetteer or the bundle; see `store_landmark`
  name TEXT NOT NULL,
  local_name TEXT,
  place TEXT,
  country TEXT,
  category TEXT,
  lat REAL,
  lon REAL,
  extent_m REAL,
  wikidata TEXT,
  estimated INTEGER NOT NULL
);
INSERT INTO landmark_new SELECT id, key, name, local_name, place, country, category, lat, lon,
  extent_m, wikidata, estimated FROM landmark;
DROP TABLE landmark;
ALTER TABLE landmark_new RENAME TO landmark;
CREATE INDEX landmark_key ON landmark (key, id);
"""

# What a person says is said of a content: the photo may be moved, replaced or forgotten since.
_ANSWERS = """
CREATE TABLE review_new (
  id INTEGER PRIMARY KEY,
  act INTEGER NOT NULL,           -- what was done in one go is taken back in one go
  photo INTEGER NOT NULL,         -- its number then; may be another photo's now, or nobody's
  sha256 BLOB,                    -- the content that it is said of; NULL: it could not be read
  said_at TEXT NOT NULL,
  was_state TEXT NOT NULL,
  was_landmark INTEGER,
  was_score REAL,
  was_confidence REAL,
  was_evidence TEXT,
  state TEXT NOT NULL,
  landmark INTEGER
);
INSERT INTO review_new SELECT id, act, photo,
  (SELECT sha256 FROM photo WHERE photo.id = review.photo AND photo.state != 'new'),
  said_at, was_state, was_landmark, was_score, was_confidence, was_evidence, state, landmark
  FROM review;
DROP TABLE review;
ALTER TABLE review_new RENAME TO review;
CREATE INDEX review_act ON review (act);
CREATE INDEX review_content ON review (sha256, act);
ALTER TABLE photo ADD COLUMN picture BLOB;  -- of its pixels, whichever way up; see `tag_read`
CREATE INDEX photo_raw ON photo (raw) WHERE raw IS NOT NULL;
"""

# Where a photo went, or stood before: what its neighbours of that time are is decided again.
_STALE = """
CREATE TABLE stale (moment INTEGER PRIMARY KEY);
"""

# All copies get what was said of one, so an answer has a tag of its own, and the bundle that had
# been heard. A photo that cannot be read has none.
_SAID = """
ALTER TABLE review ADD COLUMN score REAL;
ALTER TABLE review ADD COLUMN confidence REAL;
ALTER TABLE review ADD COLUMN evidence TEXT;
ALTER TABLE review ADD COLUMN bundle TEXT;
UPDATE review SET score = was_score, confidence = was_confidence, evidence = was_evidence;
UPDATE review SET score = 1.0, confidence = 1.0, evidence = 'person' WHERE state = 'corrected';
UPDATE review SET bundle = (SELECT bundle FROM photo WHERE photo.id = review.photo
  AND photo.sha256 = review.sha256 AND photo.state = review.state);
UPDATE photo SET state = 'new', landmark = NULL, score = NULL, confidence = NULL, evidence = NULL,
  gps_says = NULL WHERE error IS NOT NULL AND state != 'new';
"""

# A content is also known by its picture and, RAW or JPEG of a pair, by the RAW file. The picture
# was of the colours alone before, which unlike photos may share.
_KNOWN_BY = """
ALTER TABLE photo ADD COLUMN raw_mark BLOB;  -- of the RAW file, its own or that of the pair
ALTER TABLE review ADD COLUMN picture BLOB;
ALTER TABLE review ADD COLUMN raw_mark BLOB;
UPDATE photo SET picture = NULL WHERE picture IS NOT NULL;
CREATE INDEX photo_picture ON photo (picture) WHERE picture IS NOT NULL;
CREATE INDEX photo_raw_mark ON photo (raw_mark) WHERE raw_mark IS NOT NULL;
CREATE INDEX review_picture ON review (picture, act) WHERE picture IS NOT NULL;
CREATE INDEX review_no_picture ON review (sha256) WHERE picture IS NULL;
CREATE INDEX review_raw_mark ON review (raw_mark, act) WHERE raw_mark IS NOT NULL;
"""


def migrations() -> tuple[str, ...]:
    """Return the SQL of each version, oldest first."""
    from waymark.library.journal_schema import FOLLOWED, JOURNAL, LINKED

    return (
        *(_TAGS, JOURNAL, _CONFIDENCE, FOLLOWED, _LANDMARKS, _ANSWERS, _STALE, _SAID, _KNOWN_BY),
        LINKED,
    )


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a database to the newest version.

    Args:
        connection: in autocommit mode (`isolation_level=None`), opened by one who may write.
    """
    steps = migrations()
    # or a table that others refer to could not be made anew; the check below makes up for it
    connection.execute("PRAGMA foreign_keys = OFF")
    try:
        while _step(connection, steps):
            pass
    finally:
        connection.execute("PRAGMA foreign_keys = ON")


def _step(connection: sqlite3.Connection, steps: Sequence[str]) -> bool:
    """Take the next step; say whether there was one."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version >= len(steps):
        return False  # without waiting for who writes
    connection.execute("BEGIN IMMEDIATE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version < len(steps):  # else another program has taken it
            for statement in _statements(steps[version]):
                connection.execute(statement)
            if connection.execute("PRAGMA foreign_key_check").fetchone():
                raise sqlite3.IntegrityError("a row refers to one that is not there")
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {version + 1}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return True


def _statements(script: str) -> Iterator[str]:
    """Part a script into statements; `executescript` would end our transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement
