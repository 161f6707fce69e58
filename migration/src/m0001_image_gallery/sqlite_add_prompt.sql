-- The table was left in place by `migrate down`, which tells the column from another's by the mark in its definition.
ALTER TABLE image_gallery ADD COLUMN original_prompt /* added by image-gallery */ TEXT;
