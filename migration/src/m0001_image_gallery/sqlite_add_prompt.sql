-- The table was left by `migrate down`, which recognises our column by the comment in its definition.
ALTER TABLE image_gallery ADD COLUMN original_prompt /* added by image-gallery */ TEXT;
