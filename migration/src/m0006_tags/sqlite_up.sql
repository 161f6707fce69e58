-- The owners' tags on images, and their favourites. Tags are equal if `folded` is; `tag` is the spelling that is shown.
CREATE TABLE image_gallery_tag (
    image_id BLOB NOT NULL,
    user_id TEXT NOT NULL,
    folded TEXT NOT NULL,
    tag TEXT NOT NULL,
    PRIMARY KEY (image_id, folded)
) WITHOUT ROWID;
CREATE INDEX image_gallery_tag_owner ON image_gallery_tag (user_id, folded, image_id);
CREATE INDEX image_gallery_tag_folded ON image_gallery_tag (folded, user_id, image_id);

CREATE TABLE image_gallery_favorite (
    image_id BLOB NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX image_gallery_favorite_owner ON image_gallery_favorite (user_id, image_id);

CREATE TRIGGER image_gallery_tag_delete AFTER DELETE ON image_gallery
BEGIN
    DELETE FROM image_gallery_tag WHERE image_id = old.image_id;
    DELETE FROM image_gallery_favorite WHERE image_id = old.image_id;
END;

-- An image with a new id is another image, as in the trail.
CREATE TRIGGER image_gallery_tag_update_id AFTER UPDATE ON image_gallery WHEN old.image_id IS NOT new.image_id
BEGIN
    DELETE FROM image_gallery_tag WHERE image_id = old.image_id;
    DELETE FROM image_gallery_favorite WHERE image_id = old.image_id;
END;

-- Tags stay with an image that is given to another owner, in the spelling that the new owner already has.
CREATE TRIGGER image_gallery_tag_update AFTER UPDATE ON image_gallery
WHEN old.image_id IS new.image_id AND old.user_id IS NOT new.user_id
BEGIN
    UPDATE image_gallery_tag
    SET user_id = new.user_id,
        tag = coalesce(
            (SELECT known.tag FROM image_gallery_tag AS known
            WHERE known.user_id = new.user_id AND known.folded = image_gallery_tag.folded LIMIT 1),
            tag)
    WHERE image_id = new.image_id;
    UPDATE image_gallery_favorite SET user_id = new.user_id WHERE image_id = new.image_id;
END;
