-- The image of an owner for each key.
CREATE TABLE image_gallery_once_key (
    user_id TEXT NOT NULL,
    once_key TEXT NOT NULL,
    image_id BLOB NOT NULL,
    PRIMARY KEY (user_id, once_key)
) WITHOUT ROWID;
CREATE INDEX image_gallery_once_key_image ON image_gallery_once_key (image_id);

CREATE TRIGGER image_gallery_once_key_delete AFTER DELETE ON image_gallery
BEGIN
    DELETE FROM image_gallery_once_key WHERE image_id = old.image_id;
END;
