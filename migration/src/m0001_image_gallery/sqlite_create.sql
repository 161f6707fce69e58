-- Times are UTC text of fixed width, as the API prints them (2026-01-15T10:30:00.123456Z), so they sort
-- chronologically. The id is the UUID's sixteen bytes. The search index refers to `row_key`: VACUUM renumbers rows
-- without such a key.
CREATE TABLE image_gallery (
    row_key INTEGER PRIMARY KEY,
    image_id BLOB NOT NULL UNIQUE,
    user_id TEXT NOT NULL,
    image_url TEXT NOT NULL,
    refined_prompt TEXT,
    intent TEXT,
    metadata TEXT NOT NULL CHECK (json_valid(metadata)),
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    deleted_at TEXT,
    original_prompt /* added by image-gallery */ TEXT
);
