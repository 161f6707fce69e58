ALTER TABLE image_gallery ADD COLUMN original_prompt text;
-- By this mark `down` tells the column from one that stood there before.
COMMENT ON COLUMN image_gallery.original_prompt IS 'added by image-gallery';
