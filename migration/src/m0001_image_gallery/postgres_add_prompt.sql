ALTER TABLE image_gallery ADD COLUMN original_prompt text;
-- With this comment `down` recognises the column as ours.
COMMENT ON COLUMN image_gallery.original_prompt IS 'added by image-gallery';
